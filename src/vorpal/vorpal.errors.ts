import { BrainError } from '../shared/index.js';

// A 503 without Retry-After leaves clients guessing; local models load in seconds, GPU servers in minutes.
const DEFAULT_UNAVAILABLE_RETRY_SECONDS = 5;
const DEFAULT_OVERLOADED_RETRY_SECONDS = 2;

export interface RetryableErrorOptions extends ErrorOptions {
  /** The pause that the server asked for; if not set, the client's `Retry-After` has a default. */
  readonly retryAfterSeconds?: number;
}

/** A transient failure: the same call may succeed later. */
abstract class RetryLaterError extends BrainError {
  readonly httpStatus = 503;
  override readonly transient = true;
  override readonly retryAfterSeconds: number;
  /** Milliseconds the server asked us to wait; 0 if it said nothing. */
  readonly requestedDelayMs: number;

  constructor(
    message: string,
    defaultRetrySeconds: number,
    { retryAfterSeconds, ...options }: RetryableErrorOptions = {},
  ) {
    super(message, options);
    this.retryAfterSeconds = retryAfterSeconds ?? defaultRetrySeconds;
    this.requestedDelayMs = (retryAfterSeconds ?? 0) * 1_000;
  }
}

/** The server cannot be reached, is loading, is dead, or has failed so often that the circuit breaker is open. */
export class VorpalUnavailableError extends RetryLaterError {
  readonly code = 'VORPAL_UNAVAILABLE';

  constructor(message: string, options?: RetryableErrorOptions) {
    super(message, DEFAULT_UNAVAILABLE_RETRY_SECONDS, options);
  }
}

/** The server works but takes no more requests now: 429, a full queue, or no free slot for it on our side. */
export class VorpalOverloadedError extends RetryLaterError {
  readonly code = 'VORPAL_OVERLOADED';

  constructor(message: string, options?: RetryableErrorOptions) {
    super(message, DEFAULT_OVERLOADED_RETRY_SECONDS, options);
  }
}

/** No answer, or no next piece of a streamed one, within the time limit. */
export class VorpalTimeoutError extends BrainError {
  readonly code = 'VORPAL_TIMEOUT';
  readonly httpStatus = 504;
  override readonly transient = true;
}

/** The server refuses the request; the message says why. */
export class VorpalRequestError extends BrainError {
  readonly code = 'VORPAL_REQUEST_REFUSED' as string;
  readonly httpStatus: number = 400;
}

/** The prompt, with the answer asked for, does not fit the model's window. */
export class VorpalContextLengthError extends VorpalRequestError {
  override readonly code = 'VORPAL_CONTEXT_LENGTH';
  override readonly httpStatus = 413;
}

/**
 * The answer asked for is longer than the model's window, however short the prompt: a setting is wrong, not the
 * text.
 */
export class VorpalAnswerLengthError extends BrainError {
  readonly code = 'VORPAL_ANSWER_LENGTH';
  readonly httpStatus = 502;
}

export class VorpalAuthenticationError extends BrainError {
  readonly code = 'VORPAL_UNAUTHORIZED';
  readonly httpStatus = 502;
}

export class VorpalModelNotFoundError extends BrainError {
  readonly code = 'VORPAL_MODEL_NOT_FOUND';
  readonly httpStatus = 502;
}

/** HTTP 500 from a server that is alive: this request made it fail. */
export class VorpalFailedError extends BrainError {
  readonly code = 'VORPAL_FAILED';
  readonly httpStatus = 502;
}

/** The answer breaks the protocol: cut short, not JSON, wrong shape, NaN. */
export class VorpalProtocolError extends BrainError {
  readonly code = 'VORPAL_PROTOCOL' as string;
  readonly httpStatus = 502;
}

/** The server returns no log-probabilities of the prompt, so nothing can be scored. */
export class VorpalScoringUnsupportedError extends VorpalProtocolError {
  override readonly code = 'VORPAL_SCORING_UNSUPPORTED';
}

/** `SCORING_PREFIX` does not name a single token of the model. The setting is wrong, whatever the text. */
export class VorpalScoringPrefixError extends BrainError {
  readonly code = 'VORPAL_SCORING_PREFIX';
  readonly httpStatus = 502;

  /** @param problem why the token is wrong, as a predicate in the middle of a sentence */
  constructor(token: string, problem: string) {
    super(
      `The token ${token} (SCORING_PREFIX) ${problem.replace(/\.$/, '')}. ` +
        'Name a special token of the model, or set SCORING_PREFIX to auto or none.',
    );
  }
}

/** The server does not embed, for example a vLLM that was started with a chat model. */
export class VorpalEmbeddingsUnsupportedError extends BrainError {
  readonly code = 'VORPAL_EMBEDDINGS_UNSUPPORTED';
  readonly httpStatus = 502;

  /** @param reason the message of the server, or what it lacks */
  constructor(reason: string) {
    super(
      `The embeddings server does not embed (${reason.replace(/\.$/, '')}); it may be a vLLM with a chat model. ` +
        'Start it with an embedding model, set EMBEDDINGS_URL to a server that embeds, ' +
        'or unset EMBEDDINGS_URL to use the local Vorpal.',
    );
  }
}

/** The brain is to start the local Vorpal, and it is not installed. */
export class LocalVorpalMissingError extends BrainError {
  readonly code = 'VORPAL_NOT_INSTALLED';
  readonly httpStatus = 500;

  constructor(options?: ErrorOptions) {
    super(
      'The local Vorpal is not installed here, and the brain would start it because VORPAL_URL or EMBEDDINGS_URL ' +
        'is not set. Set both to the addresses of servers, or run the image target all-in-one, which has it.',
      options,
    );
  }
}
