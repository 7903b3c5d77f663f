import type { z } from 'zod';
import { errorFromEvent } from './error-mapping.js';
import { readEvents } from './event-stream.js';
import type { DirectUpstream, SendRequest } from './upstream.js';
import { type Resilience, type VorpalCall, VorpalHttp } from './vorpal-http.js';
import type { VorpalServer } from './vorpal-server.js';

/** {@link VorpalHttp} for what a person waits for: past axios, and with answers that are read as they come. */
export class ChatHttp extends VorpalHttp {
  constructor(
    server: VorpalServer,
    private readonly direct: DirectUpstream,
    control: SendRequest,
    resilience: Resilience,
  ) {
    super(server, { main: direct.send, control }, resilience);
  }

  /** The events of a streamed answer; see {@link readEvents}. */
  async *streamJson<T>(call: VorpalCall, schema: z.ZodType<T>): AsyncGenerator<T, void> {
    const stream = await this.attempt(call, (request) => this.direct.stream(request));
    const { path, timeoutMs, signal } = call;
    for await (const data of readEvents(stream, { idleMs: timeoutMs, signal, server: this.server })) {
      const payload = this.parse(data, path);
      const error = errorFromEvent(payload, path, this.server);
      if (error) throw error;
      yield this.check(payload, path, schema);
    }
  }
}
