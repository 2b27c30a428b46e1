"""Broker configs of Kafka's security that have no effect here: accepted, shown, never changed.

Source: the configs that Apache Kafka 4.3 describes; the words are our own.
"""

from __future__ import annotations

from ..wire.enums import ConfigType
from .config_def import known

_INT = ConfigType.INT
_SHORT = ConfigType.SHORT
_LONG = ConfigType.LONG
_DOUBLE = ConfigType.DOUBLE
_BOOLEAN = ConfigType.BOOLEAN
_STRING = ConfigType.STRING
_LIST = ConfigType.LIST
_CLASS = ConfigType.CLASS
_PASSWORD = ConfigType.PASSWORD

KNOWN_SECURITY_CONFIGS = [
    # Security
    known("authorizer.class.name", _STRING, "", "Class that decides who may do what."),
    known(
        "connections.max.reauth.ms", _LONG, 0,
        "Longest time between two authentications of a connection.",
    ),
    known(
        "delegation.token.expiry.check.interval.ms", _LONG, 3_600_000,
        "How often delegation tokens are looked at.",
    ),
    known(
        "delegation.token.expiry.time.ms", _LONG, 86_400_000,
        "How long a token is good before it must be renewed.",
    ),
    known(
        "delegation.token.max.lifetime.ms", _LONG, 604_800_000,
        "How long a token is good at most.",
    ),
    known("delegation.token.secret.key", _PASSWORD, None, "Key that signs tokens."),
    known(
        "principal.builder.class", _CLASS,
        "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder",
        "Class that makes a principal of a connection.",
    ),
    known(
        "security.inter.broker.protocol", _STRING, "PLAINTEXT",
        "Security protocol among brokers.",
    ),
    known("security.providers", _STRING, None, "Classes of security providers."),

    # SASL
    known("sasl.client.callback.handler.class", _CLASS, None, "Class that answers for clients."),
    known("sasl.enabled.mechanisms", _LIST, ("GSSAPI",), "Mechanisms that clients may use."),
    known("sasl.jaas.config", _PASSWORD, None, "Login context, in the format of JAAS."),
    known("sasl.kerberos.kinit.cmd", _STRING, "/usr/bin/kinit", "Path of kinit."),
    known("sasl.kerberos.min.time.before.relogin", _LONG, 60_000, "Least time between two logins."),
    known(
        "sasl.kerberos.principal.to.local.rules", _LIST, ("DEFAULT",),
        "Rules that make short names of principals.",
    ),
    known("sasl.kerberos.service.name", _STRING, None, "Name of the Kerberos service."),
    known("sasl.kerberos.ticket.renew.jitter", _DOUBLE, 0.05, "Spread of the time of a renewal."),
    known(
        "sasl.kerberos.ticket.renew.window.factor", _DOUBLE, 0.8,
        "Share of a ticket's life after which it is renewed.",
    ),
    known("sasl.login.callback.handler.class", _CLASS, None, "Class that answers during login."),
    known("sasl.login.class", _CLASS, None, "Class that logs in."),
    known(
        "sasl.login.connect.timeout.ms", _INT, None,
        "How long to connect to an identity provider.",
    ),
    known("sasl.login.read.timeout.ms", _INT, None, "How long to read from it."),
    known(
        "sasl.login.refresh.buffer.seconds", _SHORT, 300,
        "Least time before expiry at which to refresh.",
    ),
    known("sasl.login.refresh.min.period.seconds", _SHORT, 60, "Least time between two refreshes."),
    known(
        "sasl.login.refresh.window.factor", _DOUBLE, 0.8,
        "Share of a credential's life after which it is refreshed.",
    ),
    known("sasl.login.refresh.window.jitter", _DOUBLE, 0.05, "Spread of the time of a refresh."),
    known("sasl.login.retry.backoff.max.ms", _LONG, 10_000, "Longest pause between two logins."),
    known("sasl.login.retry.backoff.ms", _LONG, 100, "Pause between two logins, at first."),
    known(
        "sasl.mechanism.controller.protocol", _STRING, "GSSAPI",
        "Mechanism towards controllers.",
    ),
    known("sasl.mechanism.inter.broker.protocol", _STRING, "GSSAPI", "Mechanism among brokers."),
    known(
        "sasl.oauthbearer.assertion.algorithm", _STRING, "RS256",
        "Algorithm that signs assertions.",
    ),
    known("sasl.oauthbearer.assertion.claim.aud", _STRING, None, "Audience of assertions."),
    known(
        "sasl.oauthbearer.assertion.claim.exp.seconds", _INT, 300,
        "How long an assertion is good.",
    ),
    known("sasl.oauthbearer.assertion.claim.iss", _STRING, None, "Issuer of assertions."),
    known(
        "sasl.oauthbearer.assertion.claim.jti.include", _BOOLEAN, False,
        "Whether assertions bear an id.",
    ),
    known(
        "sasl.oauthbearer.assertion.claim.nbf.seconds", _INT, 60,
        "How far back an assertion is good.",
    ),
    known("sasl.oauthbearer.assertion.claim.sub", _STRING, None, "Subject of assertions."),
    known("sasl.oauthbearer.assertion.file", _STRING, None, "File with a finished assertion."),
    known(
        "sasl.oauthbearer.assertion.private.key.file", _STRING, None,
        "File of the key that signs assertions.",
    ),
    known(
        "sasl.oauthbearer.assertion.private.key.passphrase", _PASSWORD, None,
        "Passphrase of that key.",
    ),
    known(
        "sasl.oauthbearer.assertion.template.file", _STRING, None,
        "File with a template of assertions.",
    ),
    known(
        "sasl.oauthbearer.client.credentials.client.id", _STRING, None,
        "Client id towards the identity provider.",
    ),
    known("sasl.oauthbearer.client.credentials.client.secret", _PASSWORD, None, "Its secret."),
    known("sasl.oauthbearer.clock.skew.seconds", _INT, 30, "Difference of clocks that is allowed."),
    known("sasl.oauthbearer.expected.audience", _LIST, (), "Audience that tokens must name."),
    known("sasl.oauthbearer.expected.issuer", _STRING, None, "Issuer that tokens must name."),
    known(
        "sasl.oauthbearer.jwks.endpoint.refresh.ms", _LONG, 3_600_000,
        "How often keys of the provider are fetched.",
    ),
    known(
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", _LONG, 10_000,
        "Longest pause between two fetches of keys.",
    ),
    known(
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", _LONG, 100,
        "Pause between two, at first.",
    ),
    known(
        "sasl.oauthbearer.jwks.endpoint.url", _STRING, None,
        "Where keys of the provider are fetched.",
    ),
    known(
        "sasl.oauthbearer.jwt.retriever.class", _CLASS,
        "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever",
        "Class that gets tokens.",
    ),
    known(
        "sasl.oauthbearer.jwt.validator.class", _CLASS,
        "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator",
        "Class that checks tokens.",
    ),
    known("sasl.oauthbearer.scope", _STRING, None, "Scope that is asked for."),
    known("sasl.oauthbearer.scope.claim.name", _STRING, "scope", "Claim that holds the scope."),
    known("sasl.oauthbearer.sub.claim.name", _STRING, "sub", "Claim that holds the subject."),
    known("sasl.oauthbearer.token.endpoint.url", _STRING, None, "Where tokens are got."),
    known("sasl.server.callback.handler.class", _CLASS, None, "Class that answers for the server."),
    known(
        "sasl.server.max.receive.size", _INT, 524_288,
        "Largest token of a client before it is authenticated.",
    ),

    # TLS
    known(
        "ssl.allow.dn.changes", _BOOLEAN, False,
        "Whether a new certificate may have another distinguished name.",
    ),
    known(
        "ssl.allow.san.changes", _BOOLEAN, False,
        "Whether a new certificate may have other names.",
    ),
    known("ssl.cipher.suites", _LIST, (), "Cipher suites that may be used."),
    known("ssl.client.auth", _STRING, "none", "Whether clients must have certificates."),
    known(
        "ssl.enabled.protocols", _LIST, ("TLSv1.2", "TLSv1.3"),
        "Protocol versions that may be used.",
    ),
    known(
        "ssl.endpoint.identification.algorithm", _STRING, "https",
        "How the name of a server is checked.",
    ),
    known("ssl.engine.factory.class", _CLASS, None, "Class that makes engines."),
    known("ssl.key.password", _PASSWORD, None, "Password of the private key."),
    known("ssl.keymanager.algorithm", _STRING, "SunX509", "Algorithm of the key manager."),
    known("ssl.keystore.certificate.chain", _PASSWORD, None, "Certificates, in PEM."),
    known("ssl.keystore.key", _PASSWORD, None, "Private key, in PEM."),
    known("ssl.keystore.location", _STRING, None, "File of the key store."),
    known("ssl.keystore.password", _PASSWORD, None, "Password of the key store."),
    known("ssl.keystore.type", _STRING, "JKS", "Format of the key store."),
    known(
        "ssl.principal.mapping.rules", _STRING, "DEFAULT",
        "Rules that make principals of distinguished names.",
    ),
    known("ssl.protocol", _STRING, "TLSv1.3", "Protocol that contexts are made for."),
    known("ssl.provider", _STRING, None, "Security provider."),
    known("ssl.secure.random.implementation", _STRING, None, "Source of random numbers."),
    known("ssl.trustmanager.algorithm", _STRING, "PKIX", "Algorithm of the trust manager."),
    known("ssl.truststore.certificates", _PASSWORD, None, "Trusted certificates, in PEM."),
    known("ssl.truststore.location", _STRING, None, "File of the trust store."),
    known("ssl.truststore.password", _PASSWORD, None, "Password of the trust store."),
    known("ssl.truststore.type", _STRING, "JKS", "Format of the trust store."),
]  # fmt: skip
