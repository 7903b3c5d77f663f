import { StandardSchemaValidationPipe } from '@nestjs/common';
import { z } from 'zod';
import { InvalidRequestError, TextTooLongError } from './http.errors.js';

/** Checks request parts against the zod schema their decorator names. */
export function createValidationPipe(): StandardSchemaValidationPipe {
  return new StandardSchemaValidationPipe({
    exceptionFactory: (issues) =>
      new InvalidRequestError(
        issues.map(({ path, message }) => ({
          path: (path ?? []).map((segment) => String(typeof segment === 'object' ? segment.key : segment)).join('.'),
          message,
        })),
      ),
  });
}

/**
 * A text from a client. Lone surrogates are refused: they have no UTF-8 form, so the stream and the model would get
 * something else than what was sent.
 */
export const wellFormedText = z
  .string('must be a string')
  .refine((value) => value.isWellFormed(), 'holds a lone surrogate, which is not valid Unicode');

/** A text that says something. */
export const spokenText = wellFormedText.refine((value) => value.trim() !== '', 'must not be empty or blank');

// Ids become keys of the store; a bound keeps one client from filling it with a single key.
const ID_MAX_CHARACTERS = 256;

/** A name that a client gives to a user or a session. */
export const identifier = wellFormedText
  .min(1, 'must not be empty')
  .max(ID_MAX_CHARACTERS, `must have at most ${ID_MAX_CHARACTERS} characters`);

/** The user of requests that name none: all of them share one memory. */
const ANONYMOUS_USER = 'anonymous';

/** The user that a request is for. */
export const userId = identifier.default(ANONYMOUS_USER);

/** @throws TextTooLongError beyond `maxCharacters` UTF-16 code units */
export function assertTextLength(field: string, text: string, maxCharacters: number): void {
  if (text.length > maxCharacters) throw new TextTooLongError(field, text.length, maxCharacters);
}
