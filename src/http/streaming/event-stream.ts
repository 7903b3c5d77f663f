import { createParamDecorator, type ExecutionContext, Logger, type StreamableFile } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { peekFirst, type PeekedIterator } from '../../shared/index.js';
import { encodeSseData } from '@archive-brain/vllm-protocol';
import { problemOf } from '../problem/problem-of.js';
import { streamedAnswer } from './streamed-answer.js';

/** Answers with events as they come. @throws what `events` throws before its first event */
export type SendEvents = (events: AsyncGenerator<object, void>) => Promise<StreamableFile>;

const logger = new Logger('Http');

/**
 * Parameter decorator: a {@link SendEvents}, whose result the handler returns. Each event is one line of JSON. Nothing
 * is sent before the first event, so an earlier failure is an ordinary problem with its status. A later failure is the
 * last event, `{"type":"error"}` with the fields of a problem. Events are read only as fast as the client reads them.
 */
export const ServerSentEvents = createParamDecorator((_: unknown, context: ExecutionContext): SendEvents => {
  const http = context.switchToHttp();
  const request = http.getRequest<FastifyRequest>();
  const reply = http.getResponse<FastifyReply>();
  return async (source) => {
    const events = await peekFirst(source);
    const answer = streamedAnswer(encode(events, request, reply), 'text/event-stream; charset=utf-8');
    answer.getStream().once('close', () => void events.return());
    void reply.header('cache-control', 'no-cache').header('x-accel-buffering', 'no');
    return answer;
  };
});

async function* encode(
  events: PeekedIterator<object>,
  request: FastifyRequest,
  reply: FastifyReply,
): AsyncGenerator<string, void> {
  try {
    for await (const event of events) yield encodeSseData(event);
  } catch (error) {
    if (!reply.raw.destroyed) yield encodeSseData({ ...problemOf(error, request, logger), type: 'error' });
  }
}
