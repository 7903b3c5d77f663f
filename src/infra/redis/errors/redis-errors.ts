import { ReplyError as UntypedReplyError } from 'ioredis';
import { BrainError } from '../../../shared/index.js';
import { isTransientReply } from './transient-replies.js';

const ReplyError = UntypedReplyError as typeof Error;
const PLAIN_ERRORS = new Set(['Error', 'MaxRetriesPerRequestError', 'AbortError', 'ParserError']);

/** The Redis server cannot hold memories. */
export class RedisUnsupportedError extends BrainError {
  readonly code = 'REDIS_UNSUPPORTED';
  readonly httpStatus = 500;
}

/**
 * The code with which Redis refused a command (`NOGROUP`, `BUSYGROUP`, `WRONGTYPE` …), or `undefined` if `error` is
 * something else: no connection, a time-out.
 */
export function replyCodeOf(error: unknown): string | undefined {
  return error instanceof ReplyError ? error.message.split(' ', 1)[0] : undefined;
}

/** Another node of the cluster, which has the key of a command, or is being given it (`isAsking`). */
export interface Redirection {
  readonly address: string;
  readonly isAsking: boolean;
}

/** The node that a `MOVED` or `ASK` reply names. */
export function redirectionOf(error: unknown): Redirection | undefined {
  const code = replyCodeOf(error);
  if (code !== 'MOVED' && code !== 'ASK') return undefined;
  const [, , address] = failureText(error).split(' ');
  return address === undefined ? undefined : { address, isAsking: code === 'ASK' };
}

/**
 * Whether `error` comes from the server or the way to it. The driver has no class for that: a refused connection, a
 * time-out and a closed socket are plain errors, which a defect of ours never is.
 */
export function isRedisFailure(error: unknown): boolean {
  return error instanceof ReplyError || (isErrorLike(error) && PLAIN_ERRORS.has(error.name));
}

/**
 * The same failure without what the driver attaches to it: `error.command.args` holds the message that was appended, or
 * the password, and a logger that prints whole errors would print them.
 */
export function withoutCommand(error: unknown): Error {
  return new Error(failureText(error));
}

/**
 * A function that runs work on Redis, and throws an `Unavailable` for a failure of the server or of the way to it, and
 * a `Refused` where the server works and refuses just this command. Everything else that the work throws is passed on.
 * @param Refused for keys that belong to one user. Without it every failure is an `Unavailable`: keys that all users
 * share are broken for all of them.
 */
export function redisFailuresAs(Unavailable: NewError, Refused: NewError = Unavailable) {
  return async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (!isRedisFailure(error)) throw error;
      const isRefusal = error instanceof ReplyError && !isTransientReply(error.message);
      throw new (isRefusal ? Refused : Unavailable)({ cause: withoutCommand(error) });
    }
  };
}

type NewError = new (options: ErrorOptions) => Error;

/**
 * What went wrong, in a few words. A host name with two addresses that both refuse makes an error without a message.
 */
export function failureText(error: unknown): string {
  if (!isErrorLike(error)) return String(error);
  return error.message === '' ? (error.code ?? error.name) : error.message;
}

// Not `instanceof Error`: an error of Node's own modules is none inside a VM context, which is where tests run.
function isErrorLike(error: unknown): error is Error & { readonly code?: string } {
  return typeof error === 'object' && error !== null && 'name' in error && 'message' in error;
}
