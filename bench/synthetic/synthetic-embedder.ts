import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { z } from 'zod';
import { SyntheticEmbeddings } from './synthetic-embeddings.js';

const MODEL = 'synthetic-384';
const WINDOW_TOKENS = 512;
const requestSchema = z.object({ input: z.array(z.string()), encoding_format: z.string().optional() });

/** An embeddings server that answers at once, each text with another vector of 384 dimensions. */
export class SyntheticEmbedder {
  private readonly embeddings: SyntheticEmbeddings;
  private readonly server: Server;

  private constructor(seed: number) {
    this.embeddings = new SyntheticEmbeddings(seed);
    this.server = createServer((request, response) => {
      const answer = async (): Promise<object> =>
        request.method === 'POST' ? this.embed(requestSchema.parse(await json(request))) : models();
      answer().then(
        (body) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
        (error: unknown) => response.writeHead(400).end(String(error)),
      );
    });
  }

  static async start(seed: number): Promise<SyntheticEmbedder> {
    const embedder = new SyntheticEmbedder(seed);
    embedder.server.listen(0, '127.0.0.1');
    await once(embedder.server, 'listening');
    return embedder;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private embed({ input, encoding_format: format }: z.infer<typeof requestSchema>): object {
    const data = input.map((_, index) => {
      const vector = this.embeddings.next();
      const embedding = format === 'base64' ? Buffer.from(vector.buffer).toString('base64') : [...vector];
      return { index, object: 'embedding', embedding };
    });
    return { object: 'list', model: MODEL, data, usage: { prompt_tokens: input.length, total_tokens: input.length } };
  }
}

const models = (): object => ({
  object: 'list',
  data: [{ id: MODEL, object: 'model', created: 0, owned_by: 'bench', max_model_len: WINDOW_TOKENS }],
});
