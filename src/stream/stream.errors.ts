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

/** Another process captures under the same name in the same data folder. */
export class SpoolInUseError extends BrainError {
  readonly code = 'SPOOL_IN_USE';
  readonly httpStatus = 500;

  constructor(folder: string, holder: string) {
    super(
      `The folder ${folder}, where messages wait for the stream, is in use by ${holder}. ` +
        'Stop that process, or set STREAM_CONSUMER to a different name for each',
    );
  }
}
