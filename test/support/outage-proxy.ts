import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

interface Target {
  readonly host: string;
  readonly port: number;
}

/** A TCP proxy that can go away and come back on the same port: an outage of a server that the tests do not own. */
export class OutageProxy {
  private server: Server | undefined;
  private readonly links = new Set<Link>();
  private port = 0;
  private isSilent = false;

  private constructor(private readonly target: Target) {}

  static async to(host: string, port: number): Promise<OutageProxy> {
    const proxy = new OutageProxy({ host, port });
    await proxy.open();
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  async open(): Promise<void> {
    const server = createServer({ pauseOnConnect: true }, (client) => {
      const link = new Link(client, this.target);
      this.links.add(link);
      client.once('close', () => this.links.delete(link));
      if (!this.isSilent) link.flow();
    });
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    this.port = (server.address() as AddressInfo).port;
    this.server = server;
  }

  async close(): Promise<void> {
    if (this.server === undefined) return;
    const closed = once(this.server, 'close');
    this.server.close();
    for (const link of this.links) link.cut();
    await closed;
    this.server = undefined;
  }

  /**
   * Nothing passes any more, in either direction, and nobody is told: connections stay, and others can be made. As TCP
   * does it over a path that was interrupted, what is sent meanwhile arrives after {@link speak}, even from a client
   * that has given up since.
   */
  fallSilent(): void {
    this.isSilent = true;
    for (const link of this.links) link.hold();
  }

  speak(): void {
    if (!this.isSilent) return;
    this.isSilent = false;
    for (const link of this.links) link.flow();
  }
}

/** A client's connection and, once something has flowed, the one to the target. */
class Link {
  private upstream: Socket | undefined;

  constructor(
    private readonly client: Socket,
    private readonly target: Target,
  ) {
    client.on('error', () => this.upstream?.destroy());
  }

  flow(): void {
    const upstream = (this.upstream ??= this.connect());
    this.client.pipe(upstream);
    upstream.pipe(this.client);
  }

  hold(): void {
    for (const socket of [this.client, this.upstream]) socket?.unpipe().pause();
  }

  cut(): void {
    this.client.destroy();
    this.upstream?.destroy();
  }

  /** Whichever end is cut, the other one must notice; what is on its way arrives before. */
  private connect(): Socket {
    const upstream = connect(this.target.port, this.target.host);
    upstream.on('error', () => this.client.destroy());
    upstream.on('close', () => this.client.end());
    this.client.on('close', () => upstream.end());
    return upstream;
  }
}
