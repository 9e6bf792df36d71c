"""LemonLDAP::NG from Debian's packages."""

import json
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from playwright.async_api import Page

from providers.instance import Account, RealProvider, told_accounts
from providers.page import ROOT

INI = """\
[all]
logLevel = warn
checkTime = 1

[configuration]
type = File
dirName = {folder}/conf
localStorage = Cache::FileCache
localStorageOptions = {{ 'namespace' => 'lemonldap-ng-config', 'cache_root' => '{folder}/cache' }}

[portal]
staticPrefix = /static
templateDir = /usr/share/lemonldap-ng/portal/templates
languages = en
"""
FOLDERS = ("conf", "cache", "sessions/lock", "psessions/lock", "notifications")


class LemonLDAP(RealProvider):
    """The portal in its demonstration mode, with its own session storage in files."""

    section = "LemonLDAP::NG"
    path = "/"
    needs = Path("/usr/share/perl5/Lemonldap/NG/Portal/Main.pm")
    installation = "apt-get install liblemonldap-ng-portal-perl"

    @property
    def command(self) -> list[str]:
        """Return the command that serves the portal."""
        return ["perl", str(ROOT / "tests" / "providers" / "lemonldap" / "server.pl")]

    def configure(self, key: str) -> Mapping[str, str]:
        """Write the configuration as its manager would."""
        for name in FOLDERS:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "lemonldap-ng.ini").write_text(INI.format(folder=self.folder))
        number = 1 + len(list((self.folder / "conf").iterdir()))  # a changed configuration has a new one
        (self.folder / "conf" / f"lmConf-{number}.json").write_text(json.dumps(self._configuration(number, key)))
        return {
            "LLNG_DEFAULTCONFFILE": str(self.folder / "lemonldap-ng.ini"),
            "PROVIDER_PORT": str(self.port),
            "PROVIDER_ACCOUNTS": json.dumps(told_accounts()),
        }

    async def sign_in(self, page: Page, account: Account) -> None:
        """Fill in the portal's login form; in its demonstration mode a password is the user name."""
        await page.locator("#userfield").fill(account.username)
        await page.locator("#passwordfield").fill(account.username)
        await page.locator("#lform button[type=submit]").click()

    def _configuration(self, number: int, key: str) -> dict[str, object]:
        public = load_pem_private_key(key.encode(), None).public_key()
        return {
            "cfgNum": number,
            "cfgDate": number,
            "cfgVersion": "2.16.1",
            "portal": f"{self.url}/",
            "domain": "127.0.0.1",
            "cookieName": "lemonldap",
            "securedCookie": 0,
            "authentication": "Demo",
            "userDB": "Same",
            "passwordDB": "Null",
            "registerDB": "Null",
            "demoExportedVars": {name: name for name in ("cn", "mail", "uid", "givenName", "sn")},
            "groups": {"staff": "1", "it": "$uid eq 'bob'"},
            "whatToTrace": "uid",
            "globalStorage": "Apache::Session::File",
            "globalStorageOptions": self._storage("sessions"),
            "persistentStorage": "Apache::Session::File",
            "persistentStorageOptions": self._storage("psessions"),
            "localSessionStorage": "Cache::FileCache",
            "localSessionStorageOptions": {"cache_root": str(self.folder / "cache"), "namespace": "sessions"},
            "notificationStorage": "File",
            "notificationStorageOptions": {"dirName": str(self.folder / "notifications")},
            "locationRules": {"127.0.0.1": {"default": "accept"}},
            "issuerDBOpenIDConnectActivation": 1,
            "oidcServiceIgnoreScopeForClaims": 1,
            "oidcServicePrivateKeySig": key,
            "oidcServicePublicKeySig": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
            "oidcServiceKeyIdSig": str(hash(key)),
            "oidcRPMetaDataExportedVars": {
                "bodhi": {
                    "preferred_username": "uid",
                    "given_name": "givenName",
                    "family_name": "sn",
                    "email": "mail",
                    "groups": "groups",
                }
            },
            "oidcRPMetaDataOptions": {
                "bodhi": {
                    "oidcRPMetaDataOptionsClientID": self.client.client_id,
                    "oidcRPMetaDataOptionsClientSecret": self.client.client_secret,
                    "oidcRPMetaDataOptionsRedirectUris": self.client.redirect_uri,
                    "oidcRPMetaDataOptionsPostLogoutRedirectUris": self.client.post_logout_redirect_uri,
                    "oidcRPMetaDataOptionsLogoutBypassConfirm": 1,
                    "oidcRPMetaDataOptionsBypassConsent": 1,
                    "oidcRPMetaDataOptionsRequirePKCE": 1,
                    "oidcRPMetaDataOptionsRefreshToken": 1,
                    "oidcRPMetaDataOptionsIDTokenSignAlg": "RS256",
                    "oidcRPMetaDataOptionsAccessTokenExpiration": self.token_seconds,
                }
            },
        }

    def _storage(self, name: str) -> dict[str, str]:
        folder = str(self.folder / name)
        generator = "Lemonldap::NG::Common::Apache::Session::Generate::SHA256"
        return {"Directory": folder, "LockDirectory": f"{folder}/lock", "generateModule": generator}
