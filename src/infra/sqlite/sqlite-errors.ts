const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;

/** The file cannot be used as the embedded store. */
export class SqliteFileError extends Error {
  override readonly name = 'SqliteFileError';
}

/** Whether SQLite, or its binding, raised `error`. */
export function isSqliteError(error: unknown): boolean {
  // ERR_INVALID_STATE: the database was closed.
  return isObject(error) && (error.code === 'ERR_SQLITE_ERROR' || error.code === 'ERR_INVALID_STATE');
}

/**
 * A function that runs work on the embedded store, and throws an `Unavailable` where SQLite, the file or the operating
 * system below both fail. Everything else that the work throws is passed on.
 */
export function sqliteFailuresAs(Unavailable: new (options: ErrorOptions) => Error) {
  return async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (!isSqliteError(error) && !(error instanceof SqliteFileError) && !isSystemError(error)) throw error;
      throw new Unavailable({ cause: error });
    }
  };
}

export function isLocked(error: unknown): boolean {
  if (!isSqliteError(error) || !isObject(error)) return false;
  // The low byte is the kind; the rest says which variety (SQLITE_BUSY_SNAPSHOT …).
  const kind = Number(error.errcode) & 0xff;
  return kind === SQLITE_BUSY || kind === SQLITE_LOCKED;
}

/** A failed call to the operating system: the disk that does not sync, the file that is gone. */
function isSystemError(error: unknown): boolean {
  return isObject(error) && 'syscall' in error;
}

// Not `instanceof Error`: an error of Node's own modules is none inside a VM context, which is where tests run.
function isObject(error: unknown): error is { readonly code?: unknown; readonly errcode?: unknown } {
  return typeof error === 'object' && error !== null;
}
