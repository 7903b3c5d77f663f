import { MemoryVectorError } from '../../memory/index.js';
import { BrainError } from '../../shared/index.js';
import {
  VorpalFailedError,
  VorpalOverloadedError,
  VorpalProtocolError,
  VorpalTimeoutError,
  VorpalUnavailableError,
} from '../../vorpal/index.js';

/**
 * Whether the failure may pass by itself: waiting helps, and the entry loses no attempt. An entry can be the cause of
 * some of these (`isWrongAnswer`, `isUnanswered`); {@link Quarantine} finds out.
 *
 * 502, 503 and 504 are about what the brain depends on, some of it for an operator to repair (a wrong key, another
 * embedding model). A plain 500 is about the data of the call.
 */
export function isOutage(error: unknown): boolean {
  return error instanceof BrainError && (error.transient || error.httpStatus > 500);
}

/** Vorpal answered with HTTP 500 or with something that cannot be right: it fails on this input, or on everything. */
export const isWrongAnswer = (error: unknown): boolean =>
  error instanceof VorpalFailedError || error instanceof VorpalProtocolError || error instanceof MemoryVectorError;

/** Vorpal did not answer completely: it is down, or this input makes it hang or crash. */
export const isUnanswered = (error: unknown): boolean =>
  error instanceof VorpalTimeoutError || error instanceof VorpalUnavailableError;

/** Vorpal works and has more requests than it can take. */
export const isOverload = (error: unknown): boolean =>
  error instanceof VorpalOverloadedError || error instanceof VorpalTimeoutError;
