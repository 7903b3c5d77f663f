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

/** No such dead letter: it was requeued, dropped, or pushed out by newer ones. */
export class DeadLetterNotFoundError extends BrainError {
  readonly code = 'DEAD_LETTER_NOT_FOUND';
  readonly httpStatus = 404;

  constructor() {
    super('There is no such dead letter; it may have been requeued or dropped. List the dead letters again.');
  }
}

/**
 * A dead letter that no worker could read. It is not in the form of an entry, and sending it back would not change
 * that.
 */
export class DeadLetterUndecodableError extends BrainError {
  readonly code = 'DEAD_LETTER_UNDECODABLE';
  readonly httpStatus = 422;

  constructor(problem: string) {
    super(
      `This dead letter cannot be requeued, because it is ${problem}. Drop it, or append it again in the right form.`,
    );
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
