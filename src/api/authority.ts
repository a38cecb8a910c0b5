/** What the CA is called that the server of one machine makes for itself: by it a client knows such a server, also where it doesn't answer. */
export const authorityName = "elafros-ca";
