import { BrainError } from '../shared/index.js';
import type { Problem } from './problem.js';

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
