import { inspect } from 'node:util';

/**
 * Every error that the program raises on purpose.
 *
 * `code` is stable (`AREA_WHAT`), written once and never reused; `docs/errors.md` lists them and a test keeps it so.
 * `message` is safe to show to a client: it never carries credentials or other users' text.
 * `httpStatus` is what the HTTP edge answers. `transient` says that the same call may succeed later: the worker waits
 * for a transient failure and blames the entry for any other.
 */
export abstract class BrainError extends Error {
  abstract readonly code: string;
  abstract readonly httpStatus: number;
  readonly transient: boolean = false;
  /** Seconds after which a retry makes sense; becomes `Retry-After`. */
  readonly retryAfterSeconds?: number;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

// Deep enough for every chain our own code builds; causes may also form a circle.
const MAX_CAUSES = 5;

/** One line that says what went wrong, for logs: the message and those of its causes, without stacks. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  let current = error;
  for (let depth = 0; current !== undefined && depth < MAX_CAUSES; depth++) {
    const text = current instanceof Error ? current.message || current.name : inspect(current);
    if (text !== '' && !parts.some((part) => part.includes(text))) parts.push(text);
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join(': ');
}
