import { MemoryVectorError } from '../memory/index.js';
import { BrainError } from '../shared/index.js';
import {
  VorpalFailedError,
  VorpalOverloadedError,
  VorpalProtocolError,
  VorpalTimeoutError,
  VorpalUnavailableError,
} from '../vorpal/index.js';

/**
 * Whether the failure is the surroundings' and not the entry's: then waiting helps and the entry loses no attempt. Of
 * some of these (`isDoubtful`, `isUnanswered`) an entry may be the cause all the same.
 *
 * 502, 503 and 504 tell of what the brain depends on, some of it for an operator to mend (a wrong key, another embedding
 * model); a plain 500 tells of the data that the call was about.
 */
export function isOutage(error: unknown): boolean {
  return error instanceof BrainError && (error.transient || error.httpStatus > 500);
}

/** Vorpal answered, with HTTP 500 or with what cannot be right: it fails on this input, or on everything. */
export const isDoubtful = (error: unknown): boolean =>
  error instanceof VorpalFailedError || error instanceof VorpalProtocolError || error instanceof MemoryVectorError;

/** Vorpal did not answer to the end: it is away, or this input makes it hang or die. */
export const isUnanswered = (error: unknown): boolean =>
  error instanceof VorpalTimeoutError || error instanceof VorpalUnavailableError;

/** Vorpal works and has more to do than it can take. */
export const isOverload = (error: unknown): boolean =>
  error instanceof VorpalOverloadedError || error instanceof VorpalTimeoutError;
