import { BadRequestException, UnsupportedMediaTypeException } from '@nestjs/common';
import type { FastifyBodyParser, FastifyInstance, FastifyRequest } from 'fastify';
import { isUtf8 } from 'node:buffer';
import { isNestedTooDeep, MAX_JSON_DEPTH } from './json-depth.js';

// ASCII is a part of UTF-8.
const CHARSETS = new Set(['utf-8', 'utf8', 'us-ascii']);

type ParseJson = (request: FastifyRequest, text: string, done: (error: Error | null, body?: unknown) => void) => void;

/**
 * Makes JSON in UTF-8 the one form of a body; docs/http.md has the rules. A request without a body may say any content
 * type: many clients name one with each request.
 */
export function acceptJson(fastify: FastifyInstance): void {
  const parseJson = fastify.getDefaultJsonParser('error', 'error') as unknown as ParseJson;
  const parse: FastifyBodyParser<Buffer> = (request, bytes, done) => {
    if (bytes.length === 0) {
      done(null);
      return;
    }
    assertUtf8(request, bytes);
    parseJson(request, bytes.toString('utf8'), (error, body) => {
      if (error === null && isNestedTooDeep(body)) {
        done(new BadRequestException(`The body is nested deeper than ${MAX_JSON_DEPTH} levels.`));
      } else {
        done(error, body);
      }
    });
  };
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, parse);
  fastify.addContentTypeParser('*', (request, _payload, done) => {
    if (hasBody(request)) done(unsupported(request));
    else done(null);
  });
}

/** Whether a body follows the headers of a request, be it of no bytes. */
export function hasBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

/** The error of a body in a form that a route does not take. */
export function unsupported({ headers }: FastifyRequest): UnsupportedMediaTypeException {
  const type = headers['content-type'];
  return new UnsupportedMediaTypeException(
    type === undefined ? 'The body has no content type.' : `A body of content type ${type} is not accepted here.`,
  );
}

function assertUtf8(request: FastifyRequest, bytes: Buffer): void {
  const charset = /;\s*charset\s*=\s*"?([^\s;"]*)/i.exec(request.headers['content-type'] ?? '')?.[1];
  if (charset !== undefined && !CHARSETS.has(charset.toLowerCase())) {
    throw new UnsupportedMediaTypeException(`The charset ${charset} is not accepted; send UTF-8.`);
  }
  if (!isUtf8(bytes)) throw new BadRequestException('The body is not valid UTF-8.');
}
