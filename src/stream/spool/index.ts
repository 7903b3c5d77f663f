export { CaptureSpool, spoolFolder, type SpoolOptions, type SpoolPortion } from './capture-spool.js';
