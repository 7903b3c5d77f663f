export { isSqliteError, SqliteDatabase, SqliteFileError, type SqliteStatement } from './sqlite-database.js';
