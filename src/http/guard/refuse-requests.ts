import {
  BadRequestException,
  MethodNotAllowedException,
  NotFoundException,
  UnsupportedMediaTypeException,
} from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { answerPreflight, BrowserGuard } from './browser-guard.js';
import { hasBody } from '../body/json-body.js';
import { RouteTable } from './route-table.js';
import type { HttpSettings } from '../http.settings.js';

const BODYLESS_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD']);

/** Refuses requests before any of their body is read; docs/http.md has the rules. */
export function refuseRequests(fastify: FastifyInstance, server: HttpSettings): void {
  const routes = new RouteTable(fastify);
  const guard = new BrowserGuard(server);
  fastify.addHook('onRequest', (request, reply, done) => {
    guard.share(request, reply);
    if (guard.isPreflight(request)) {
      answerPreflight(reply, routes.methodsAt(pathOf(request)));
      return;
    }
    const refusal = guard.refusalOf(request) ?? refusalOf(request, reply, routes);
    // The rest of the body is not waited for.
    if (refusal !== undefined && hasBody(request)) void reply.header('connection', 'close');
    done(refusal);
  });
}

function refusalOf(request: FastifyRequest, reply: FastifyReply, routes: RouteTable): Error | undefined {
  const { headers, httpVersion } = request.raw;
  if (headers.host === undefined && httpVersion === '1.1')
    return new BadRequestException('The header Host is missing.');
  if (request.is404) return unrouted(request, reply, routes);
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    return new UnsupportedMediaTypeException(`A body encoded as ${encoding} is not accepted. Send it unencoded.`);
  }
  if (BODYLESS_METHODS.has(request.method) && hasBody(request)) {
    return new BadRequestException(`A ${request.method} request must not have a body. Use the query instead.`);
  }
  const query = request.url.slice(pathOf(request).length);
  if (query.includes('%') && !isPercentEncoded(query)) {
    return new BadRequestException('The query is not percent-encoded UTF-8.');
  }
  return undefined;
}

const pathOf = ({ url }: FastifyRequest): string => url.split('?', 1)[0] ?? '';

function unrouted(request: FastifyRequest, reply: FastifyReply, routes: RouteTable): Error {
  const methods = routes.methodsAt(pathOf(request));
  if (methods.length === 0) return new NotFoundException('There is no route at this path. Check the path.');
  const allowed = methods.join(', ');
  void reply.header('allow', allowed);
  return new MethodNotAllowedException(`${request.method} is not allowed at this path. Use ${allowed}.`);
}

// The parser of queries takes a broken escape for the text that it is, and one value would have two spellings.
function isPercentEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
