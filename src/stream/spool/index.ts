export { CaptureSpool, type SpoolOptions } from './capture-spool.js';
export { type SpoolPortion } from './spool-files.js';
export { abandonedNames, spoolFolder, spoolsFolder } from './spool-folder.js';
