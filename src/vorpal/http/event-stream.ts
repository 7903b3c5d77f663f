import { addAbortListener } from 'node:events';
import type { Readable } from 'node:stream';
import { decodeSseData } from '@archive-brain/vllm-protocol';
import { CallAbortedError } from './call-aborted.error.js';
import { brokenOff, timeoutError } from './error-mapping.js';
import type { ServerNames } from './vorpal-server.js';
import { VorpalProtocolError } from '../vorpal.errors.js';

// The longest answer the settings allow is about 32 MB of events; an endless one must end somewhere.
const MAX_STREAM_BYTES = 128 * 1024 * 1024;

export interface EventStreamOptions {
  /** Longest wait for the next event; time that the reader spends with an event does not count. */
  readonly idleMs: number;
  readonly signal?: AbortSignal;
  readonly server: ServerNames;
}

/**
 * The `data` of each event of an answer, read only as fast as it is taken; whatever ends the iteration closes the
 * connection.
 * @throws VorpalTimeoutError on silence; VorpalUnavailableError if it ends without `[DONE]`; CallAbortedError
 */
export async function* readEvents(stream: Readable, options: EventStreamOptions): AsyncGenerator<string, void> {
  const cut = new StreamCut(stream, options.signal);
  const events = decodeSseData(withinBytes(stream, MAX_STREAM_BYTES));
  try {
    for (;;) {
      const next = await nextEvent(events, cut, options);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    cut.dispose();
    stream.destroy();
  }
}

async function nextEvent(
  events: AsyncGenerator<string, boolean>,
  cut: StreamCut,
  { idleMs, server }: EventStreamOptions,
): Promise<IteratorResult<string, boolean>> {
  const timer = setTimeout(() => {
    cut.because(timeoutError(idleMs, server));
  }, idleMs);
  try {
    const next = await events.next();
    if (cut.reason) throw cut.reason;
    if (next.done && !next.value) throw brokenOff(server);
    return next;
  } catch (error) {
    throw cut.reason ?? (error instanceof VorpalProtocolError ? error : brokenOff(server));
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Destroys a stream for the first of several reasons, and remembers it: the reader only sees that the stream is
 * gone.
 */
class StreamCut {
  reason: Error | undefined;
  private readonly listener: Disposable | undefined;

  constructor(
    private readonly stream: Readable,
    caller: AbortSignal | undefined,
  ) {
    const abort = (): void => {
      this.because(new CallAbortedError());
    };
    if (caller?.aborted) abort();
    else if (caller) this.listener = addAbortListener(caller, abort);
  }

  because(reason: Error): void {
    this.reason ??= reason;
    this.stream.destroy();
  }

  dispose(): void {
    this.listener?.[Symbol.dispose]();
  }
}

async function* withinBytes(stream: Readable, maxBytes: number): AsyncGenerator<Uint8Array> {
  let total = 0;
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    total += chunk.length;
    if (total > maxBytes) throw new VorpalProtocolError('The streamed answer is too large; lower CHAT_MAX_TOKENS.');
    yield chunk;
  }
}
