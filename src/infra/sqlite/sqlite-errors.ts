const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
/**
 * What concerns the rows of one call: CORRUPT (a damaged page holds a few of them; where all are damaged nothing can be
 * acknowledged either, and that is an outage), TOOBIG, CONSTRAINT, MISMATCH, RANGE. All else (a lock, the disk, memory,
 * a file or a table that is gone) is met by everybody.
 */
const REFUSALS: ReadonlySet<number> = new Set([11, 18, 19, 20, 25]);

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
 * system below both fail, and a `Refused` where SQLite works and refuses just these rows. Everything else that the work
 * throws is passed on.
 * @param Refused for rows that belong to one user; without it every failure is an `Unavailable`
 */
export function sqliteFailuresAs(Unavailable: NewError, Refused: NewError = Unavailable) {
  return async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (!isSqliteError(error) && !(error instanceof SqliteFileError) && !isSystemError(error)) throw error;
      throw new (REFUSALS.has(kindOf(error) ?? 0) ? Refused : Unavailable)({ cause: error });
    }
  };
}

type NewError = new (options: ErrorOptions) => Error;

export function isLocked(error: unknown): boolean {
  const kind = kindOf(error);
  return kind === SQLITE_BUSY || kind === SQLITE_LOCKED;
}

/** SQLite's primary error code; `undefined` for other errors. */
function kindOf(error: unknown): number | undefined {
  // The low byte is the kind; the rest says which variety (SQLITE_BUSY_SNAPSHOT …).
  return isSqliteError(error) && isObject(error) ? Number(error.errcode) & 0xff : undefined;
}

/** A failed call to the operating system: the disk that does not sync, the file that is gone. */
function isSystemError(error: unknown): boolean {
  return isObject(error) && 'syscall' in error;
}

// Not `instanceof Error`: an error of Node's own modules is none inside a VM context, which is where tests run.
function isObject(error: unknown): error is { readonly code?: unknown; readonly errcode?: unknown } {
  return typeof error === 'object' && error !== null;
}
