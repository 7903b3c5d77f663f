import { z } from 'zod';
import { TextTooLongError } from '../http.errors.js';
import { isFiniteThroughout, isNestedTooDeep, MAX_JSON_DEPTH } from '../body/json-depth.js';

/** A field that a client may leave out, or give as `null`, which says the same. */
export const optional = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? undefined);

/** A field that is `fallback` where a client leaves it out or gives it as `null`. */
export const withDefault = <T extends z.ZodType>(schema: T, fallback: NonNullable<z.output<T>>) =>
  schema.nullish().transform((value) => value ?? fallback);

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
export const userId = withDefault(identifier, ANONYMOUS_USER);

/** An object that a client wants kept as it is. */
export const keptObject = z
  .record(z.string(), z.unknown(), 'must be an object')
  // Without the `abort` the checks behind it walk the value nevertheless.
  .refine((value) => !isNestedTooDeep(value), {
    error: `must not be nested deeper than ${MAX_JSON_DEPTH} levels`,
    abort: true,
  })
  .refine(isFiniteThroughout, 'holds a number that is too large');

/** @throws TextTooLongError beyond `maxCharacters` UTF-16 code units */
export function assertTextLength(field: string, text: string, maxCharacters: number): void {
  if (text.length > maxCharacters) throw new TextTooLongError(field, text.length, maxCharacters);
}
