import { BrainError } from '../shared/index.js';
import type { EmbeddingSpace } from './memory.js';

const STORE_RETRY_SECONDS = 5;
const REEMBEDDING_RETRY_SECONDS = 30;

/** The store of memories cannot be reached, or refuses to write. The cause says why. */
export class MemoryStoreUnavailableError extends BrainError {
  readonly code = 'MEMORY_STORE_UNAVAILABLE';
  readonly httpStatus = 503;
  override readonly transient = true;
  override readonly retryAfterSeconds = STORE_RETRY_SECONDS;

  constructor(options?: ErrorOptions) {
    super('The store of memories is not available; try again later.', options);
  }
}

/** One text of one user was stored and removed by others all the while; nothing was written. */
export class MemoryContendedError extends BrainError {
  readonly code = 'MEMORY_CONTENDED';
  readonly httpStatus = 503;
  override readonly transient = true;
  override readonly retryAfterSeconds = 1;

  constructor() {
    super('The same text is being stored and removed by others; try again shortly.');
  }
}

/**
 * A vector that the store cannot take: of another length, without a direction, or with a component that is not finite.
 */
export class MemoryVectorError extends BrainError {
  readonly code = 'MEMORY_VECTOR_INVALID';
  readonly httpStatus = 502;
}

/** The embedding model is another one than the store's vectors were made with. */
export class EmbeddingModelChangedError extends BrainError {
  readonly code = 'MEMORY_EMBEDDING_MODEL_CHANGED';
  readonly httpStatus = 503;

  constructor(stored: EmbeddingSpace, given: EmbeddingSpace) {
    super(
      `The memories were embedded with ${describeSpace(stored)} and the embeddings server now answers with ` +
        `${describeSpace(given)}. ` +
        'Run "npm run memories:reembed", or bring the old model back (EMBEDDINGS_MODEL, EMBEDDINGS_URL).',
    );
  }
}

/** The memories are being moved to another embedding model; until that is done none can be added or recalled. */
export class ReembeddingError extends BrainError {
  readonly code = 'MEMORY_REEMBEDDING';
  readonly httpStatus = 503;
  override readonly transient = true;
  override readonly retryAfterSeconds = REEMBEDDING_RETRY_SECONDS;

  constructor(next: EmbeddingSpace) {
    super(
      `The memories are being embedded anew with ${describeSpace(next)}. ` +
        'If no command is running, run "npm run memories:reembed" to finish.',
    );
  }
}

/** As many users as this process takes are being forgotten, or wait for it. */
export class ForgetBusyError extends BrainError {
  readonly code = 'MEMORY_FORGET_BUSY';
  readonly httpStatus = 503;
  override readonly transient = true;
  override readonly retryAfterSeconds = STORE_RETRY_SECONDS;

  constructor() {
    super('Too many users are being forgotten at once; ask again later. Nothing was forgotten.');
  }
}

/** No such memory of this user. The error does not tell whether another user has a memory with that id. */
export class MemoryNotFoundError extends BrainError {
  readonly code = 'MEMORY_NOT_FOUND';
  readonly httpStatus = 404;

  constructor() {
    super('There is no such memory of this user.');
  }
}

/** So many memories are pinned that too little room would be left for the others. */
export class TooManyPinsError extends BrainError {
  readonly code = 'TOO_MANY_PINS';
  readonly httpStatus = 409;

  constructor() {
    super(
      'Half of the room that MEMORY_MAX_MEMORIES and MEMORY_MAX_BYTES give the user is pinned; ' +
        'take the pin off another memory first.',
    );
  }
}

const describeSpace = ({ model, dimensions }: EmbeddingSpace): string => `${model} (${dimensions} dimensions)`;
