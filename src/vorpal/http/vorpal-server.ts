/** How errors name a server and the settings that belong to it. */
export interface ServerNames {
  readonly name: string;
  readonly urlSetting: string;
  readonly keySetting: string;
  /** Taken out of whatever the server says: some proxies repeat the key they refuse. */
  readonly apiKey?: string;
}

export interface VorpalServer extends ServerNames {
  /** Base address. @throws VorpalUnavailableError while none is known */
  url(): string;
}
