export { ForgetMarks } from './forget-marks.js';
export { ProcessLock, ProcessLockedError } from './process-lock.js';
export { SqliteDatabase, type SqliteStatement } from './sqlite-database.js';
export { isSqliteError, SqliteFileError, sqliteFailuresAs } from './sqlite-errors.js';
