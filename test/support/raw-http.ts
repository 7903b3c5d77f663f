import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { until } from './until.js';

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A connection to a server on which a test writes the bytes itself. */
export class RawConnection {
  /** All that came and is not read yet. */
  received = Buffer.alloc(0);
  isOpen = true;

  private constructor(readonly socket: Socket) {
    socket.on('data', (data: Buffer) => (this.received = Buffer.concat([this.received, data])));
    // A server that closes while the test writes is what some tests are about.
    socket.on('error', () => undefined);
    socket.on('close', () => (this.isOpen = false));
  }

  static async to(url: string): Promise<RawConnection> {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    return new RawConnection(socket);
  }

  write(bytes: string | Uint8Array): void {
    this.socket.write(bytes);
  }

  /**
   * Reads the next answer, as long as its `content-length` says (none, to a HEAD request); fails where the connection
   * ends before it.
   */
  async answer({ hasBody = true } = {}): Promise<RawAnswer> {
    await until(() => this.next(hasBody) !== undefined || !this.isOpen, 'an answer');
    const next = this.next(hasBody);
    if (next === undefined) throw new Error(`the connection ended after: ${this.received.toString()}`);
    this.received = this.received.subarray(next.end);
    return next.answer;
  }

  async closed(): Promise<void> {
    await until(() => !this.isOpen, 'the end of the connection');
  }

  close(): void {
    this.socket.destroy();
  }

  private next(hasBody: boolean): { answer: RawAnswer; end: number } | undefined {
    const start = this.received.indexOf('\r\n\r\n') + 4;
    if (start < 4) return undefined;
    const [statusLine = '', ...lines] = this.received
      .subarray(0, start - 4)
      .toString('latin1')
      .split('\r\n');
    const headers = Object.fromEntries(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    const end = start + (hasBody ? Number(headers['content-length'] ?? 0) : 0);
    if (this.received.length < end) return undefined;
    const body = this.received.subarray(start, end).toString('utf8');
    return { answer: { status: Number(statusLine.split(' ')[1]), headers, body }, end };
  }
}

/** Sends `bytes` over a connection of its own and reads the first answer. */
export async function exchange(url: string, bytes: string | Uint8Array, options = {}): Promise<RawAnswer> {
  const connection = await RawConnection.to(url);
  try {
    connection.write(bytes);
    return await connection.answer(options);
  } finally {
    connection.close();
  }
}
