import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { PROBLEM_CONTENT_TYPE } from './problem.js';
import { refusalProblem } from './problem-of.js';

/** Node's name of what it could not read → status and what to tell. */
const REFUSALS: Readonly<Record<string, readonly [status: number, detail: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Address and headers are longer than 16 KiB. Send fewer or shorter headers.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'The chunk extensions of the body are too long.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request did not arrive in time.'],
};
const MALFORMED = [400, 'The request is not valid HTTP. Check the client, and that it does not speak TLS.'] as const;

/** Node keeps the answer under way on a connection here. */
interface HttpSocket extends Socket {
  readonly _httpMessage?: { readonly headersSent: boolean } | null;
}

/** Answers, on its connection, what is no request that a handler could see, and closes it. */
export function answerClientError(error: NodeJS.ErrnoException, socket: HttpSocket): void {
  // Bytes in the middle of another answer would spoil it.
  if (!socket.writable || error.code === 'ECONNRESET' || socket._httpMessage?.headersSent === true) {
    socket.destroy();
    return;
  }
  const [status, detail] = REFUSALS[error.code ?? ''] ?? MALFORMED;
  socket.end(rawProblem(status, detail), () => socket.destroy());
}

/** Refuses an `Expect` other than that of leave to send the body. */
export function answerExpectation({ headers }: IncomingMessage, response: ServerResponse): void {
  const body = JSON.stringify(
    refusalProblem(417, `The expectation ${headers.expect ?? ''} is not supported. Leave out the header Expect.`),
  );
  const length = Buffer.byteLength(body);
  response.writeHead(417, { 'content-type': PROBLEM_CONTENT_TYPE, 'content-length': length, connection: 'close' });
  response.end(body);
}

/** A whole response, for where there is no other way to write one. */
function rawProblem(status: number, detail: string): string {
  const body = JSON.stringify(refusalProblem(status, detail));
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}`,
    `content-type: ${PROBLEM_CONTENT_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    '',
    body,
  ].join('\r\n');
}
