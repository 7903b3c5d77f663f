import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { sleep } from '../../src/shared/index.js';

export interface Load {
  readonly url: string;
  readonly path: string;
  readonly body: object;
  readonly connections: number;
  /** Before the measurement: connections are made, and queues fill. */
  readonly leadInMs: number;
  readonly measuredMs: number;
}

export interface LoadFigures {
  /** Answers that were complete within the measured time, a second. */
  readonly requestsPerSecond: number;
  /** All answers, those before and after the measured time among them. */
  readonly answers: number;
  /** From a request to the end of its answer. */
  readonly answerMs: readonly number[];
  /** From a request to the first byte of the answer's body. */
  readonly firstByteMs: readonly number[];
}

// An answer that takes longer would make the figures worthless.
const ANSWER_LIMIT_MS = 20_000;

const HEAD_END = '\r\n\r\n';
const LAST_CHUNK = '\r\n0\r\n\r\n';

/**
 * Posts the same JSON over and over on each of a number of kept connections, the next request as soon as the answer to
 * the last is complete. It reads no more of HTTP than it must, so that little of the processor is its own.
 * @throws Error on an answer other than 200, and on a connection that ends
 */
export async function generateLoad({ url, path, body, ...load }: Load): Promise<LoadFigures> {
  const { host, hostname, port } = new URL(url);
  const payload = JSON.stringify(body);
  const head =
    `POST ${path} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\n` +
    `content-length: ${Buffer.byteLength(payload)}`;
  const request = Buffer.from(`${head}${HEAD_END}${payload}`);
  const clients = Array.from({ length: load.connections }, () => new RepeatingClient(hostname, Number(port), request));
  try {
    const running = Promise.all(clients.map((client) => client.run()));
    await Promise.race([sleep(load.leadInMs), running]);
    const from = performance.now();
    for (const client of clients) client.measuredFrom = from;
    await Promise.race([sleep(load.measuredMs), running]);
    const seconds = (performance.now() - from) / 1_000;
    for (const client of clients) client.stop();
    const answerMs = clients.flatMap((client) => client.answerMs);
    const requestsPerSecond = answerMs.length / seconds;
    const firstByteMs = clients.flatMap((client) => client.firstByteMs);
    await running;
    const answers = clients.reduce((sum, client) => sum + client.answers, 0);
    return { requestsPerSecond, answers, answerMs, firstByteMs };
  } finally {
    for (const client of clients) client.close();
  }
}

/** One connection. */
class RepeatingClient {
  measuredFrom = Infinity;
  answers = 0;
  readonly answerMs: number[] = [];
  readonly firstByteMs: number[] = [];
  private readonly socket: Socket;
  private readonly done = Promise.withResolvers<undefined>();
  private isStopping = false;
  private sentAt = 0;
  private firstByteAt = 0;
  /** What has come of an answer whose head is not complete, or the end of a chunked body that is not. */
  private pending = '';
  /** Of the body: how many bytes are still to come, `undefined` while the head is, `chunked` where it does not say. */
  private missing: number | 'chunked' | undefined;

  constructor(
    host: string,
    port: number,
    private readonly request: Buffer,
  ) {
    this.socket = connect({ host, port, noDelay: true });
    this.socket.setTimeout(ANSWER_LIMIT_MS, () => this.socket.destroy(new Error(`no answer in ${ANSWER_LIMIT_MS} ms`)));
    this.socket.on('data', (chunk: Buffer) => {
      this.receive(chunk);
    });
    this.socket.on('close', () => {
      if (this.isStopping) this.done.resolve(undefined);
      else this.done.reject(new Error('the server closed the connection'));
    });
    this.socket.on('error', (error) => {
      this.done.reject(error);
    });
  }

  /** Resolves after `stop`, with the answer under way. */
  async run(): Promise<void> {
    await once(this.socket, 'connect');
    this.send();
    await this.done.promise;
  }

  stop(): void {
    this.isStopping = true;
  }

  close(): void {
    this.socket.destroy();
  }

  private send(): void {
    this.sentAt = performance.now();
    this.pending = '';
    this.missing = undefined;
    this.socket.write(this.request);
  }

  private receive(chunk: Buffer): void {
    if (this.missing === undefined) this.readHead(chunk);
    else if (this.missing === 'chunked')
      this.pending = (this.pending + chunk.toString('latin1')).slice(-LAST_CHUNK.length);
    else this.missing -= chunk.length;
    if (this.missing === 0 || (this.missing === 'chunked' && this.pending.endsWith(LAST_CHUNK))) this.finish();
  }

  private readHead(chunk: Buffer): void {
    this.pending += chunk.toString('latin1');
    const end = this.pending.indexOf(HEAD_END);
    if (end === -1) return;
    const head = this.pending.slice(0, end).toLowerCase();
    const bodyLength = this.pending.length - end - HEAD_END.length;
    if (!head.startsWith('http/1.1 200 ')) {
      this.socket.destroy(new Error(`answered ${this.pending.slice(0, 500)}`));
      return;
    }
    if (bodyLength === 0 && this.missing === undefined) return;
    this.firstByteAt = performance.now();
    const length = /\r\ncontent-length: *(\d+)/.exec(head);
    this.missing = length ? Number(length[1]) - bodyLength : 'chunked';
  }

  private finish(): void {
    const now = performance.now();
    this.answers += 1;
    if (now >= this.measuredFrom && !this.isStopping) {
      this.answerMs.push(now - this.sentAt);
      this.firstByteMs.push(this.firstByteAt - this.sentAt);
    }
    if (this.isStopping) this.socket.end();
    else this.send();
  }
}
