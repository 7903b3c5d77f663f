export { CaptureSpool, type SpoolOptions, type SpoolPortion } from './capture-spool.js';
export { abandonedNames, spoolFolder, spoolsFolder } from './spool-folder.js';
