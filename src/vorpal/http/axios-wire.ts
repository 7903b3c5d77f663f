import { HttpService, type HttpModuleOptions } from '@nestjs/axios';
import { Injectable } from '@nestjs/common';
import type { AxiosResponse, InternalAxiosRequestConfig } from 'axios';
import { VorpalWire, type WireAnswer, type WireRequest } from './wire.js';

/** {@link VorpalWire} on axios, for whatever a model takes longer over than axios does. */
@Injectable()
export class AxiosWire extends VorpalWire {
  constructor(private readonly http: HttpService) {
    super();
  }

  async text({ url, headers, body, signal }: WireRequest): Promise<WireAnswer<string>> {
    const answer = await this.http.axiosRef.request<string>({
      url,
      method: body === undefined ? 'GET' : 'POST',
      headers,
      data: body,
      signal,
    });
    const retryAfter: unknown = answer.headers['retry-after'];
    return { status: answer.status, body: answer.data, ...(typeof retryAfter === 'string' && { retryAfter }) };
  }
}

/**
 * Makes axios send through `wire`, with its connections and its bounds: by axios' own adapter, a small request takes
 * three to four times the processor time. Answers, errors and JSON are ours to judge, so nothing is transformed.
 */
export function axiosOver(wire: VorpalWire): HttpModuleOptions {
  return { adapter: (config) => sendThrough(wire, config), transformRequest: [], transformResponse: [] };
}

async function sendThrough(
  wire: VorpalWire,
  config: InternalAxiosRequestConfig<unknown>,
): Promise<AxiosResponse<string>> {
  const { url = '', headers, data, signal } = config;
  const { status, body, retryAfter } = await wire.text({
    url,
    headers: Object.fromEntries(Object.entries(headers.toJSON()).map(([name, value]) => [name, String(value)])),
    body: data as string | undefined,
    signal: signal as AbortSignal,
  });
  return {
    status,
    statusText: '',
    data: body,
    headers: retryAfter === undefined ? {} : { 'retry-after': retryAfter },
    config,
  };
}
