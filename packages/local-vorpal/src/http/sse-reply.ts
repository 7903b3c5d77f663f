import type { FastifyReply } from 'fastify';
import { once } from 'node:events';
import { encodeSseData, type ErrorBody, SSE_DONE } from '@archive-brain/vllm-protocol';

/** A client that reads nothing for this long is disconnected: it would block its sequence for all others. */
const STALLED_READER_MS = 30_000;

/** An answer as server-sent events. */
export class SseReply {
  private constructor(
    private readonly reply: FastifyReply,
    private readonly signal: AbortSignal,
  ) {}

  /**
   * Lets `write` send the events and ends the stream. The status is only sent with the first event: what fails before
   * it is thrown and answered with a status of its own; what fails later becomes the last event.
   */
  static async answer(
    reply: FastifyReply,
    options: { readonly signal: AbortSignal; readonly describeFailure: (error: unknown) => ErrorBody },
    write: (sse: SseReply) => Promise<void>,
  ): Promise<FastifyReply> {
    const sse = new SseReply(reply, options.signal);
    try {
      await write(sse);
      sse.start();
    } catch (error) {
      if (!reply.raw.headersSent) throw error;
      // The client left or was disconnected. That is no failure, and nobody is left to tell.
      if (reply.raw.destroyed) return reply;
      reply.raw.write(encodeSseData(options.describeFailure(error)));
    }
    reply.raw.end(encodeSseData(SSE_DONE));
    return reply;
  }

  /** Resolves when the reader has room for more. @throws the signal's reason, or TimeoutError for a stalled reader */
  async send(payload: unknown): Promise<void> {
    const { raw } = this.reply;
    this.start();
    if (raw.write(encodeSseData(payload))) return;
    const stalled = AbortSignal.timeout(STALLED_READER_MS);
    try {
      await once(raw, 'drain', { signal: AbortSignal.any([this.signal, stalled]) });
    } catch (error) {
      if (stalled.aborted) raw.destroy();
      throw error;
    }
  }

  private start(): void {
    if (this.reply.raw.headersSent) return;
    this.reply.hijack();
    this.reply.raw.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
    });
  }
}
