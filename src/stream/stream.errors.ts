import { BrainError } from '../shared/index.js';

/** The store of the stream cannot be reached or cannot be written now. */
export class StreamUnavailableError extends BrainError {
  readonly code = 'STREAM_UNAVAILABLE';
  readonly httpStatus = 503;
  override readonly transient = true;
  override readonly retryAfterSeconds = 1;

  constructor(options?: ErrorOptions) {
    super('The message stream is not available; try again shortly', options);
  }
}
