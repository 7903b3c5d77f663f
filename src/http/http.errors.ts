import { BrainError } from '../shared/index.js';
import type { Problem } from './problem/problem.js';

/** The request's body or query does not have the form that the route asks for. */
export class InvalidRequestError extends BrainError {
  readonly code = 'REQUEST_INVALID';
  readonly httpStatus = 400;

  constructor(readonly errors: NonNullable<Problem['errors']>) {
    super(errors.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; '));
  }
}

/** A text is longer than the settings allow. */
export class TextTooLongError extends BrainError {
  readonly code = 'REQUEST_TEXT_TOO_LONG';
  readonly httpStatus = 413;

  constructor(field: string, characters: number, maxCharacters: number) {
    super(
      `${field} has ${characters} characters; at most ${maxCharacters} are accepted (setting MESSAGE_MAX_CHARACTERS).`,
    );
  }
}

/** The texts of one request are together more than it may carry. */
export class TextsTooLongError extends BrainError {
  readonly code = 'REQUEST_TEXTS_TOO_LONG';
  readonly httpStatus = 413;

  constructor(characters: number, maxCharacters: number) {
    super(
      `The texts have ${characters} characters together; at most ${maxCharacters} are accepted. ` +
        'Send them in several requests.',
    );
  }
}

/** The request names this server by a name that is not its own. */
export class HostNotAllowedError extends BrainError {
  readonly code = 'REQUEST_HOST_NOT_ALLOWED';
  readonly httpStatus = 403;

  constructor(name: string) {
    super(`This server does not go by the name ${name}. Name it by its address, or add the name to ALLOWED_HOSTS.`);
  }
}

/** The request was made by a page of another site. */
export class OriginNotAllowedError extends BrainError {
  readonly code = 'REQUEST_ORIGIN_NOT_ALLOWED';
  readonly httpStatus = 403;

  constructor(origin: string | undefined) {
    super(`Pages of ${origin ?? 'other sites'} may not send requests here. Add an origin that may to CORS_ORIGINS.`);
  }
}

/** All connections that the server may have are busy. */
export class TooManyConnectionsError extends BrainError {
  readonly code = 'SERVER_TOO_MANY_CONNECTIONS';
  readonly httpStatus = 503;
  override readonly retryAfterSeconds = 1;

  constructor(maxConnections: number) {
    super(`All ${maxConnections} connections are busy; try again, or raise MAX_CONNECTIONS.`);
  }
}

/** A body without a bound in length comes so slowly that it is broken off. */
export class RequestTooSlowError extends BrainError {
  readonly code = 'REQUEST_TOO_SLOW';
  readonly httpStatus = 408;

  constructor(minBytesPerSecond: number) {
    super(`The body came slower than ${minBytesPerSecond} bytes a second; what came before may have been imported.`);
  }
}
