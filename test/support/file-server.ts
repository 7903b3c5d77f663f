import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the server does with one request instead of serving the file. */
export type Fault =
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Record<string, string> }
  | { readonly kind: 'redirect'; readonly to: string; readonly headers?: Record<string, string> }
  /** Sends this much of the body and then nothing more; `cutConnections` makes a cut of it. */
  | { readonly kind: 'stall'; readonly afterBytes: number }
  /** Accepts the request and never answers. */
  | { readonly kind: 'silence' };

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  /** Bytes of body handed to the socket. */
  sentBytes: number;
}

/** A real HTTP server for files: strong ETags, `Range`, `If-Range`, and a queue of faults for each path. */
export class FileServer {
  readonly requests: SeenRequest[] = [];
  private readonly sent = new EventEmitter();
  private readonly files = new Map<string, { readonly body: Buffer; readonly etag: string }>();
  private readonly faults = new Map<string, Fault[]>();
  private readonly server = createServer((request, response) => {
    this.answer(request, response);
  });

  static async start(): Promise<FileServer> {
    const server = new FileServer();
    server.server.listen(0, '127.0.0.1');
    await once(server.server, 'listening');
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  serve(path: string, body: Buffer, etag = `"${path}-1"`): void {
    this.files.set(path, { body, etag });
  }

  /** The next requests for `path` meet these, one each; after them the file is served. */
  failNext(path: string, ...faults: Fault[]): void {
    this.faults.set(path, [...(this.faults.get(path) ?? []), ...faults]);
  }

  requestsFor(path: string): SeenRequest[] {
    return this.requests.filter((request) => request.path === path);
  }

  /** Resolves once the body (or what a fault leaves of it) for the next request for `path` is on its way. */
  async nextSent(path: string): Promise<void> {
    await once(this.sent, path);
  }

  cutConnections(): void {
    this.server.closeAllConnections();
  }

  /** @throws Error where a fault was prepared that nobody met */
  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
    const unmet = [...this.faults].filter(([, faults]) => faults.length > 0).map(([path]) => path);
    if (unmet.length > 0) throw new Error(`Nobody met the faults prepared for ${unmet.join(', ')}.`);
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const path = decodeURIComponent(request.url ?? '/');
    const seen: SeenRequest = { method: request.method ?? '', path, headers: request.headers, sentBytes: 0 };
    this.requests.push(seen);
    const fault = this.faults.get(path)?.shift();
    if (fault?.kind === 'silence') return;
    if (fault?.kind === 'status') return void response.writeHead(fault.status, fault.headers).end();
    if (fault?.kind === 'redirect') return void response.writeHead(302, { ...fault.headers, location: fault.to }).end();
    const file = this.files.get(path);
    if (file === undefined) return void response.writeHead(404).end();
    this.sendFile(request, response, file, fault, seen);
  }

  private sendFile(
    { method, headers }: IncomingMessage,
    response: ServerResponse,
    { body, etag }: { body: Buffer; etag: string },
    fault: Fault | undefined,
    seen: SeenRequest,
  ): void {
    const asked = /^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1];
    const start = asked !== undefined && headers['if-range'] === etag ? Number(asked) : 0;
    if (start >= body.length) return void response.writeHead(416).end();
    const rest = body.subarray(start);
    const range = start > 0 && { 'content-range': `bytes ${start}-${body.length - 1}/${body.length}` };
    response.writeHead(start > 0 ? 206 : 200, { etag, 'content-length': rest.length, ...range });
    if (method === 'HEAD') return void response.end();
    const part = fault === undefined || !('afterBytes' in fault) ? rest : rest.subarray(0, fault.afterBytes);
    seen.sentBytes = part.length;
    response.write(part, () => {
      this.sent.emit(seen.path);
      if (fault === undefined) response.end();
    });
  }
}
