import type { Settings } from './settings.js';
import { BrainError } from '@archive-brain/common';
import type { ErrorBody } from '@archive-brain/vllm-protocol';

/** Every error that the local Vorpal answers with; `type` and `param` are what vLLM's error body carries. */
export abstract class LocalVorpalError extends BrainError {
  abstract readonly type: string;
  readonly param: string | null = null;

  toBody(): ErrorBody {
    return { error: { message: this.message, type: this.type, param: this.param, code: this.httpStatus } };
  }
}

/** The request is at fault; sending it again cannot help. */
export class InvalidRequestError extends LocalVorpalError {
  readonly code = 'LOCAL_VORPAL_INVALID_REQUEST';
  readonly type = 'BadRequestError';
  readonly httpStatus = 400;

  constructor(
    message: string,
    override readonly param: string | null = null,
  ) {
    super(message);
  }
}

/** {@link InvalidRequestError} in vLLM's words for a field out of range, which end with its name and value. */
export class InvalidParameterError extends InvalidRequestError {
  constructor(message: string, param: string, value?: number) {
    super(`${message} (parameter=${param}${value === undefined ? '' : `, value=${value}`})`, param);
  }
}

/** The request names a model that this server does not have. */
export class UnknownModelError extends LocalVorpalError {
  readonly code = 'LOCAL_VORPAL_UNKNOWN_MODEL';
  readonly type = 'NotFoundError';
  readonly httpStatus = 404;
  override readonly param = 'model';

  constructor(model: string, served: readonly string[]) {
    super(`The model \`${model}\` does not exist. Valid aliases: ${served.join(', ')}.`);
  }
}

/** The request body is larger than the limit. */
export class BodyTooLargeError extends LocalVorpalError {
  readonly code = 'LOCAL_VORPAL_BODY_TOO_LARGE';
  readonly type = 'BadRequestError';
  readonly httpStatus = 413;

  constructor(maxBytes: number) {
    super(`The request body is larger than ${maxBytes} bytes. Send less, or raise BODY_LIMIT_BYTES.`);
  }
}

/** All sequences are busy and the queue is full. */
export class QueueFullError extends LocalVorpalError {
  readonly code = 'LOCAL_VORPAL_QUEUE_FULL';
  readonly type = 'ServiceUnavailableError';
  readonly httpStatus = 503;
  override readonly transient = true;
  override readonly retryAfterSeconds = 1;

  constructor(queueLimit: number) {
    super(`The queue is full (${queueLimit} prompts are waiting). Try again later.`);
  }
}

/** The model is not loaded yet, could not be loaded, or the server is stopping. */
export class NotReadyError extends LocalVorpalError {
  readonly code = 'LOCAL_VORPAL_NOT_READY';
  readonly type = 'ServiceUnavailableError';
  readonly httpStatus = 503;
  override readonly transient = true;
  override readonly retryAfterSeconds = 2;
}

/** The engine failed while it worked on the request. */
export class EngineFailedError extends LocalVorpalError {
  readonly code = 'LOCAL_VORPAL_ENGINE_FAILED';
  readonly type = 'InternalServerError';
  readonly httpStatus = 500;
  override readonly transient = true;

  constructor(options?: ErrorOptions) {
    super('The engine failed while it worked on this request. Try again.', options);
  }
}

/** The model file is there, but the engine cannot load it. */
export class EngineLoadError extends LocalVorpalError {
  readonly code = 'LOCAL_VORPAL_LOAD_FAILED';
  readonly type = 'ServiceUnavailableError';
  readonly httpStatus = 503;
  override readonly transient = true;

  constructor(model: string, { contextTokens, sequences, gpu }: Settings['server'], options?: ErrorOptions) {
    const gpuHint = gpu === 'off' ? '' : `, or unset LOCAL_VORPAL_GPU (${gpu})`;
    super(
      `The model ${model} cannot be loaded. If memory is short, lower LOCAL_VORPAL_CONTEXT_TOKENS ` +
        `(${contextTokens}) or LOCAL_VORPAL_SEQUENCES (${sequences})${gpuHint}; ` +
        'if the file is at fault, set LOCAL_VORPAL_MODEL to another one.',
      options,
    );
  }
}

/** The API key is missing or wrong. vLLM answers it in a form of its own. */
export class UnauthorizedError extends LocalVorpalError {
  readonly code = 'LOCAL_VORPAL_UNAUTHORIZED';
  readonly type = 'AuthenticationError';
  readonly httpStatus = 401;

  constructor() {
    super('Unauthorized');
  }
}

/** The client closed its connection before it had its answer; nobody sees this. */
export class ClientGoneError extends LocalVorpalError {
  readonly code = 'LOCAL_VORPAL_CLIENT_GONE';
  readonly type = 'ClientGone';
  readonly httpStatus = 499;

  constructor() {
    super('The client closed the connection.');
  }
}

/** A fault of this program. The cause is logged and not shown. */
export class UnexpectedError extends LocalVorpalError {
  readonly code = 'LOCAL_VORPAL_UNEXPECTED';
  readonly type = 'InternalServerError';
  readonly httpStatus = 500;

  constructor(options?: ErrorOptions) {
    super('The server failed on this request; its log says why.', options);
  }
}
