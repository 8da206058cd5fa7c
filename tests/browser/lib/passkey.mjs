// A passkey device that exists only in the browser's memory (DevTools' WebAuthn domain): it verifies its user without asking.

/// Gives the page's browser an authenticator; `credentials()` says what it keeps, `refuse()` lets the person say no.
export async function passkeyDevice(page, { resident = true, verifies = true } = {}) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: resident,
      hasUserVerification: verifies,
      isUserVerified: verifies,
      automaticPresenceSimulation: true,
    },
  });
  return {
    credentials: async () => (await cdp.send("WebAuthn.getCredentials", { authenticatorId })).credentials,
    refuse: (no = true) => cdp.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: !no }),
    give: (credential) => cdp.send("WebAuthn.addCredential", { authenticatorId, credential }),
    remove: () => cdp.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId }),
  };
}
