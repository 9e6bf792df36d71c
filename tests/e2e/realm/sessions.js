// Who is logged in at the realm, and what ends that from outside.

export class Sessions {
  #provider;
  #people = new Map(); // session's uid -> person's id

  constructor(provider) {
    this.#provider = provider;
    provider.on("session.saved", ({ uid, accountId }) => this.#people.set(uid, accountId));
    provider.on("session.destroyed", ({ uid }) => this.#people.delete(uid));
  }

  countOf(personId) {
    return [...this.#people.values()].filter((id) => id === personId).length;
  }

  // Ends every session of a person and tells every client of it; what each of them answered.
  async end(personId) {
    const uids = [...this.#people].filter(([, id]) => id === personId).map(([uid]) => uid);
    return (await Promise.all(uids.map((uid) => this.#endOne(uid)))).flat();
  }

  async #endOne(uid) {
    const { Client, Session } = this.#provider;
    const session = await Session.findByUid(uid);
    if (!session) return [];
    const told = Object.entries(session.authorizations ?? {}).map(async ([clientId, { sid, grantId }]) => {
      const client = await Client.find(clientId);
      await this.#revoke(grantId);
      if (!client?.backchannelLogoutUri) return undefined;
      return { client_id: clientId, error: await failureOf(client.backchannelLogout(session.accountId, sid)) };
    });
    const answers = await Promise.all(told);
    await session.destroy();
    return answers.filter(Boolean);
  }

  async #revoke(grantId) {
    const { AccessToken, AuthorizationCode, Grant, RefreshToken } = this.#provider;
    if (!grantId) return;
    await Promise.all([AccessToken, AuthorizationCode, RefreshToken].map((model) => model.revokeByGrantId(grantId)));
    await Grant.adapter.destroy(grantId);
  }
}

async function failureOf(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return error.message;
  }
}
