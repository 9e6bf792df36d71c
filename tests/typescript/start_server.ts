// What a tool that starts the server writes; it compiles only while the export keeps names and defaults as literal types.

import {
  BODHI_DEPLOYMENT,
  BODHI_PORT,
  DEFAULTS,
  SETTING_NAMES,
  type SettingName,
  type SettingsEnvironment,
} from "../../build/typescript/settings";

export const environment: SettingsEnvironment = { [BODHI_DEPLOYMENT]: "cluster", [BODHI_PORT]: "8080" };

export const usualPort: "1135" = DEFAULTS.BODHI_PORT;

export const first: SettingName = SETTING_NAMES[0];

// @ts-expect-error There is no such setting.
export const unknown: SettingName = "BODHI_NO_SUCH_SETTING";
