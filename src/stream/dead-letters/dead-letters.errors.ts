import { BrainError } from '../../shared/index.js';

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
