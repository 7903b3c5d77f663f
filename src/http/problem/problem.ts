import { STATUS_CODES } from 'node:http';

/** RFC 9457 problem details, with the stable error code of `docs/errors.md`. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  /** For invalid input: what is wrong where. */
  readonly errors?: readonly { readonly path: string; readonly message: string }[];
}

export const PROBLEM_CONTENT_TYPE = 'application/problem+json; charset=utf-8';

// What is told may quote a server or a client, whose texts have no end.
const MAX_DETAIL_CHARACTERS = 4_000;

export function createProblem(status: number, code: string, detail: string, errors?: Problem['errors']): Problem {
  return {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    code,
    detail:
      detail.length <= MAX_DETAIL_CHARACTERS ? detail : `${detail.slice(0, MAX_DETAIL_CHARACTERS).toWellFormed()}…`,
    ...(errors && { errors }),
  };
}
