/** What a Firefox that nobody sits at is told before it starts. */

const PREFERENCES = {
  "app.normandy.enabled": false,
  "app.update.enabled": false,
  "browser.aboutwelcome.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "browser.startup.homepage_override.mstone": "ignore",
  "browser.tabs.firefox-view": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "datareporting.policy.firstRunURL": "",
  "extensions.systemAddon.update.enabled": false,
  "media.gmp-manager.updateEnabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  // Nothing listens there: it asks nobody in the world.
  "services.settings.server": "http://127.0.0.1:9/",
  "termsofuse.bypassNotification": true,
  "toolkit.telemetry.enabled": false,
};

/** The text of user.js. @param {Record<string, unknown>} more besides the usual */
export function preferences(more = {}) {
  const all = Object.entries({ ...PREFERENCES, ...more });
  return all.map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`).join("");
}
