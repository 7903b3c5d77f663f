export { ClientSignal } from './client-signal.js';
export { DrainService } from './drain.service.js';
export { type SendEvents, ServerSentEvents } from './event-stream.js';
export { createFastifyAdapter } from './fastify-adapter.js';
export { InvalidRequestError, TextsTooLongError, TextTooLongError } from './http.errors.js';
export { NdjsonBody } from './ndjson-body.js';
export { BrainHttpModule } from './http.module.js';
export { describeIssue } from './request-issues.js';
export { streamedAnswer } from './streamed-answer.js';
export {
  assertTextLength,
  identifier,
  keptObject,
  optional,
  spokenText,
  userId,
  wellFormedText,
  withDefault,
} from './validation.js';
