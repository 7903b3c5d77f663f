import { BrainError } from '@archive-brain/common';

/** No source could deliver a model. The message names each source, why it failed, and what to do next. */
export class ModelUnavailableError extends BrainError {
  readonly code = 'MODEL_UNAVAILABLE';
  readonly httpStatus = 503;
  override readonly transient = true;
  override readonly retryAfterSeconds = 30;
}

/** What `LOCAL_VORPAL_MODEL` names is not a model that can be loaded; trying again changes nothing. */
export class ModelInvalidError extends BrainError {
  readonly code = 'MODEL_INVALID';
  readonly httpStatus = 503;
}

/** One source cannot deliver one file: it cannot be reached, refuses, or delivers something else. */
export class ModelSourceError extends BrainError {
  readonly code = 'MODEL_SOURCE_FAILED';
  readonly httpStatus = 503;
  override readonly transient = true;
}

/** A transfer broke off; the same source may well deliver the rest. */
export class TransferInterruptedError extends BrainError {
  readonly code = 'MODEL_TRANSFER_INTERRUPTED';
  readonly httpStatus = 503;
  override readonly transient = true;

  constructor(
    message: string,
    readonly retryAfterMs = 0,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Another process has held a lock in the model cache for longer than any fetch should take. */
export class ModelCacheLockedError extends BrainError {
  readonly code = 'MODEL_CACHE_LOCKED';
  readonly httpStatus = 503;
  override readonly transient = true;
}
