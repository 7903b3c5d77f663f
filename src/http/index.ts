export { ClientSignal } from './streaming/client-signal.js';
export { DrainService } from './drain.service.js';
export { type SendEvents, ServerSentEvents } from './streaming/event-stream.js';
export { createFastifyAdapter } from './fastify-adapter.js';
export { InvalidRequestError, TextsTooLongError, TextTooLongError } from './http.errors.js';
export { NdjsonBody } from './body/ndjson-body.js';
export { httpSettings, type HttpSettings } from './http.settings.js';
export { BrainHttpModule } from './http.module.js';
export { describeIssue } from './validation/request-issues.js';
export { streamedAnswer } from './streaming/streamed-answer.js';
export {
  assertTextLength,
  identifier,
  keptObject,
  optional,
  spokenText,
  userId,
  wellFormedText,
  withDefault,
} from './validation/validation.js';
