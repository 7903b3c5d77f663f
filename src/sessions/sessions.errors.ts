import { BrainError } from '../shared/index.js';

const RETRY_SECONDS = 5;

/** The store of sessions cannot be reached, or refuses to write. The cause says why. */
export class SessionStoreUnavailableError extends BrainError {
  readonly code = 'SESSION_STORE_UNAVAILABLE';
  readonly httpStatus = 503;
  override readonly transient = true;
  override readonly retryAfterSeconds = RETRY_SECONDS;

  constructor(options?: ErrorOptions) {
    super('The store of sessions is not available; try again later.', options);
  }
}
