import { BrainError } from '../../shared/index.js';
import { type ErrorDetails, readErrorBody } from '@archive-brain/vllm-protocol';
import {
  VorpalAnswerLengthError,
  VorpalAuthenticationError,
  VorpalContextLengthError,
  VorpalEmbeddingsUnsupportedError,
  VorpalFailedError,
  VorpalModelNotFoundError,
  VorpalOverloadedError,
  VorpalProtocolError,
  VorpalRequestError,
  VorpalTimeoutError,
  VorpalUnavailableError,
} from '../vorpal.errors.js';
import type { HttpFailure } from './http-failure.js';
import type { ServerNames } from './vorpal-server.js';

/** An answer with a status other than 2xx. */
export interface FailedAnswer {
  readonly status: number;
  readonly body: string;
  readonly path: string;
  readonly retryAfter?: string;
}

// A server's message goes into ours; a page of HTML or a stack trace must not.
const MAX_QUOTED_CHARACTERS = 300;
// A date far ahead, or a wrong clock, would otherwise tell clients to stay away for days.
const MAX_RETRY_AFTER_SECONDS = 3_600;

const EMBEDDINGS_PATH = '/v1/embeddings';

const CONTEXT_LENGTH =
  /maximum context length|context length is only|maximum model length|max_model_len|exceeds? (the )?(available )?context/i;
// vLLM's names for an input that is too long, in tokens, or in characters before tokens are counted.
const CONTEXT_PARAMS: ReadonlySet<string | undefined> = new Set(['input_tokens', 'input_text']);
const ANSWER_PARAM = /^max_(completion_)?tokens$/;
// The message of vLLM for a prompt that fills the window: no room is left for the answer.
const NO_ROOM_FOR_ANSWER = /max_(completion_)?tokens must be at least 1/i;
const ANSWER_ABOVE_WINDOW = /max_(completion_)?tokens=\d+ cannot be greater than/i;
// The window and the requested answer, in the messages that name both.
const WINDOW_AND_ANSWER = new RegExp(
  [
    /too large: (?<answer>\d+)\D+?maximum context length is (?<window>\d+)/,
    /context length is (?<window>\d+) tokens\..*requested (?<answer>\d+) output tokens/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);
const UNKNOWN_MODEL = /\bmodel\b.*\b(does not exist|not found)\b/i;
const QUEUE_FULL = /queue|overload|capacity|too many/i;
const ENGINE_DEAD = /engine ?core|engine ?dead/i;
const NON_FINITE = /out of range float/i;

/** Any of the error answers in vLLM's versions, its proxies and its relatives, as one of the named errors. */
export function errorFromAnswer(answer: FailedAnswer, server: ServerNames): BrainError {
  const { status } = answer;
  const details = readErrorBody(parseLeniently(answer.body));
  const said = quote(details.message, server);
  const options = { retryAfterSeconds: parseRetryAfter(answer.retryAfter) };
  if (status === 401 || status === 403) {
    return new VorpalAuthenticationError(`${server.name} does not accept the API key; check ${server.keySetting}.`);
  }
  if (status === 404 || status === 405) return notFound(answer, details, server);
  if (status === 429 || (status === 503 && isQueueFull(details))) {
    return new VorpalOverloadedError(`${server.name} takes no more requests now${said}; try again later.`, options);
  }
  if (status === 500) return internalError(answer, details, server);
  if (status > 500 || status === 408) {
    return new VorpalUnavailableError(`${server.name} is not ready (HTTP ${status}${said}); try again later.`, options);
  }
  if (status >= 400) return refusal(details, server, said);
  return new VorpalProtocolError(
    `${server.name} answers ${answer.path} with HTTP ${status}; ` +
      `put the server's final address into ${server.urlSetting}.`,
  );
}

function notFound(answer: FailedAnswer, details: ErrorDetails, server: ServerNames): BrainError {
  if (details.type === 'NotFoundError' || UNKNOWN_MODEL.test(details.message ?? '')) {
    const setting = answer.path === EMBEDDINGS_PATH ? 'EMBEDDINGS_MODEL' : 'VORPAL_MODEL';
    return new VorpalModelNotFoundError(
      `${server.name} does not have the model${quote(details.message, server)}; check ${setting}.`,
    );
  }
  if (answer.path === EMBEDDINGS_PATH) {
    return new VorpalEmbeddingsUnsupportedError(`HTTP ${answer.status} for ${answer.path}`);
  }
  return new VorpalProtocolError(
    `${server.name} does not know ${answer.path}; ${server.urlSetting} must be the address, without /v1, ` +
      'of a vLLM-compatible server with a language model.',
  );
}

function internalError(answer: FailedAnswer, details: ErrorDetails, server: ServerNames): BrainError {
  const message = details.message ?? answer.body;
  // vLLM ≤ 0.11 answers with an empty body when its engine is dead; the process then exits.
  if (message.trim() === '' || ENGINE_DEAD.test(message)) {
    return new VorpalUnavailableError(`The engine of ${server.name} is dead; it has to be restarted.`);
  }
  if (NON_FINITE.test(message)) {
    return new VorpalProtocolError(`${server.name} computed a probability that is not a number.`);
  }
  return new VorpalFailedError(
    `${server.name} failed on this request (HTTP 500${quote(details.message, server)}); its log says more.`,
  );
}

function refusal(details: ErrorDetails, server: ServerNames, said: string): BrainError {
  if (isAnswerTooLong(details)) {
    return new VorpalAnswerLengthError(
      `${server.name} cannot give answers of that length${said}; set CHAT_MAX_TOKENS below the model's window.`,
    );
  }
  if (isTextTooLong(details)) {
    return new VorpalContextLengthError(`The text is too long for the model${said}; send a shorter one.`);
  }
  return new VorpalRequestError(`${server.name} refuses the request${said}.`);
}

/** Whether no text at all would be short enough. */
function isAnswerTooLong({ param, message = '' }: ErrorDetails): boolean {
  const { window, answer } = WINDOW_AND_ANSWER.exec(message)?.groups ?? {};
  if (window !== undefined) return Number(answer) >= Number(window);
  if (NO_ROOM_FOR_ANSWER.test(message)) return false;
  return ANSWER_PARAM.test(param ?? '') || ANSWER_ABOVE_WINDOW.test(message);
}

const isTextTooLong = ({ param, message = '' }: ErrorDetails): boolean =>
  CONTEXT_PARAMS.has(param) || CONTEXT_LENGTH.test(message) || NO_ROOM_FOR_ANSWER.test(message);

const isQueueFull = ({ type, message }: ErrorDetails): boolean =>
  QUEUE_FULL.test(type ?? '') || QUEUE_FULL.test(message ?? '');

/** An `{"error": …}` event inside a stream whose status was 200 already; `undefined` for any other payload. */
export function errorFromEvent(payload: unknown, path: string, server: ServerNames) {
  if (typeof payload !== 'object' || payload === null || !('error' in payload)) return undefined;
  const { error } = payload;
  const code = typeof error === 'object' && error !== null && 'code' in error ? Number(error.code) : NaN;
  const status = code >= 400 && code < 600 ? code : 500;
  return errorFromAnswer({ status, body: JSON.stringify(payload), path }, server);
}

/** A request that got no whole answer, as one of the named errors. */
export function errorFromFailure(failure: HttpFailure, server: ServerNames): BrainError {
  const { name, urlSetting } = server;
  const options = { cause: failure };
  switch (failure.kind) {
    case 'not HTTP':
      return new VorpalProtocolError(`${name} does not speak HTTP (${failure.code}); check ${urlSetting}.`, options);
    case 'too large':
      return new VorpalProtocolError(`The answer of ${name} is too large; check ${urlSetting}.`, options);
    case 'broken off':
      return brokenOff(server);
    case 'unreachable':
      return new VorpalUnavailableError(
        `${name} cannot be reached (${failure.code}); check that it runs and that ${urlSetting} is right.`,
        options,
      );
  }
}

export const timeoutError = (timeoutMs: number, server: ServerNames): VorpalTimeoutError =>
  new VorpalTimeoutError(`${server.name} did not answer within ${timeoutMs / 1_000} s; try again later.`);

export const brokenOff = (server: ServerNames): VorpalUnavailableError =>
  new VorpalUnavailableError(`${server.name} broke off in the middle of its answer; try again.`);

function quote(message: string | undefined, { apiKey }: ServerNames): string {
  if (message === undefined || message === '') return '';
  const safe = apiKey === undefined ? message : message.replaceAll(apiKey, '…');
  const text = safe.replace(/\s+/g, ' ').trim();
  return `: ${text.length > MAX_QUOTED_CHARACTERS ? `${text.slice(0, MAX_QUOTED_CHARACTERS)}…` : text}`.replace(
    /\.$/,
    '',
  );
}

/** Whether an error answer gives a reason, in any form that vLLM or the local Vorpal has for it. */
export const saysWhy = (body: string): boolean => readErrorBody(parseLeniently(body)).message !== undefined;

function parseLeniently(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Proxies answer in HTML or plain text; the status alone decides then.
    return undefined;
  }
}

function parseRetryAfter(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const seconds = /^\d+$/.test(header.trim()) ? Number(header) : (Date.parse(header) - Date.now()) / 1_000;
  return Number.isNaN(seconds) ? undefined : Math.min(MAX_RETRY_AFTER_SECONDS, Math.max(0, seconds));
}
