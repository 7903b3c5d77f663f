import { readVariables } from '@archive-brain/common';
import { environmentSchemaOf, type RoomSettings } from './define-settings.js';

/** The settings of several rooms, read at once from one environment, and frozen. */
export class Settings {
  private constructor(
    readonly environment: NodeJS.ProcessEnv,
    private readonly byRoom: ReadonlyMap<string, object>,
  ) {}

  /** @throws SettingsError with one line per wrong variable of any of the rooms */
  static read(environment: NodeJS.ProcessEnv, rooms: readonly RoomSettings[]): Settings {
    const env = readVariables(environmentSchemaOf(rooms), environment) as never;
    return new Settings(environment, new Map(rooms.map((part) => [part.room, part.of(env)])));
  }

  get rooms(): Iterable<readonly [room: string, settings: object]> {
    return this.byRoom;
  }

  of<T extends object>({ room }: RoomSettings<T>): T {
    const settings = this.byRoom.get(room);
    if (settings === undefined) throw new Error(`The settings of ${room} were not read.`);
    return settings as T;
  }
}
