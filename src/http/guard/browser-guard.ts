import type { FastifyReply, FastifyRequest } from 'fastify';
import { isIP } from 'node:net';
import { HostNotAllowedError, OriginNotAllowedError } from '../http.errors.js';
import type { HttpSettings } from '../http.settings.js';

// What a browser remembers of a preflight; without it, it asks before each request.
const PREFLIGHT_MAX_AGE_SECONDS = 600;

const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/**
 * What browsers make a server that trusts its network check: pages of foreign sites send requests to it in the name of
 * whoever looks at them, and a foreign name can be made to point at it. docs/http.md has the rules.
 */
export class BrowserGuard {
  /** `undefined`: any. */
  private readonly hosts: ReadonlySet<string> | undefined;
  private readonly origins: ReadonlySet<string>;

  constructor({ host, allowedHosts, corsOrigins }: HttpSettings) {
    const isRestricted = allowedHosts.length > 0 || isLoopback(host);
    this.hosts = isRestricted ? new Set(['localhost', ...allowedHosts.map(nameOf)]) : undefined;
    this.origins = new Set(corsOrigins);
  }

  /** Why a request is refused, if it is. */
  refusalOf({ headers, method }: FastifyRequest): Error | undefined {
    const { host, origin } = headers;
    if (host !== undefined && !this.knowsHost(host)) return new HostNotAllowedError(nameOf(host));
    const site = headers['sec-fetch-site'];
    const isOwn = site === undefined ? isOriginOf(origin, host) : site === 'same-origin' || site === 'none';
    if (isOwn || (origin !== undefined && this.origins.has(origin))) return undefined;
    // Whoever follows a link sees the answer; the page with the link does not.
    const isFollowed = headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
    if (isFollowed && method === 'GET' && origin === undefined) return undefined;
    return new OriginNotAllowedError(origin);
  }

  /** Lets pages of an allowed origin see the answer. */
  share({ headers: { origin } }: FastifyRequest, reply: FastifyReply): void {
    if (this.origins.size === 0) return;
    void reply.header('vary', 'Origin');
    if (origin === undefined || !this.origins.has(origin)) return;
    void reply
      .header('access-control-allow-origin', origin)
      .header('access-control-expose-headers', 'retry-after, allow');
  }

  /** Whether a browser asks here if a page of an allowed origin may send a request. */
  isPreflight({ method, headers }: FastifyRequest): boolean {
    const asked = headers['access-control-request-method'];
    return method === 'OPTIONS' && asked !== undefined && this.origins.has(headers.origin ?? '');
  }

  // A foreign name that was made to point here is still a name: an address in its place is what was asked for.
  private knowsHost(host: string): boolean {
    const name = nameOf(host);
    return this.hosts === undefined || isIP(name) !== 0 || this.hosts.has(name);
  }
}

/** Answers what {@link BrowserGuard.isPreflight} finds. */
export function answerPreflight(reply: FastifyReply, methods: readonly string[]): void {
  void reply
    .code(204)
    .header('access-control-allow-methods', methods.join(', '))
    .header('access-control-allow-headers', 'content-type, traceparent')
    .header('access-control-max-age', String(PREFLIGHT_MAX_AGE_SECONDS))
    .send();
}

const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || /^127(?:\.\d+){3}$/.test(host);

/** The name or address in a `Host`, without its port. */
function nameOf(host: string): string {
  const name = host.startsWith('[') ? host.slice(1, host.indexOf(']')) : host.replace(/:\d*$/, '');
  return name.replace(/\.$/, '').toLowerCase();
}

/** Whether a request without `Sec-Fetch-Site` comes from no page, or from one of this server. */
function isOriginOf(origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined) return true;
  if (host === undefined || !URL.canParse(origin)) return false;
  const { protocol, host: ownHost, hostname } = new URL(origin);
  const asked = host.toLowerCase();
  return ownHost !== '' && (ownHost === asked || `${hostname}:${DEFAULT_PORTS[protocol] ?? ''}` === asked);
}
