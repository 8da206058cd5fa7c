//! Options of the reference product that we recognize and do not have.
//!
//! A fleet is moved by pointing its existing deployment at our package, so none of these may stop an installation: each is
//! reported as not applicable, with the reason. Values are not looked at.

/// An option of the reference product.
#[derive(Debug)]
pub struct ForeignSpec {
    /// Its spellings on the platforms that have it; the first is the one we show.
    pub spellings: &'static [&'static str],
    /// Why it does nothing here.
    pub reason: &'static str,
}

const TUNNEL: &str = "it steers the reference product's tunnel, and Latchkey carries no traffic";
const DRIVER: &str = "it concerns a network driver, and Latchkey installs none";
const PASSWORD: &str = "Latchkey's installers are upgraded and removed by the administrator's own rights";
const CONTINUITY: &str =
    "it configures the reference product's business continuity; every Latchkey node answers every request";
const BROWSER: &str = "Latchkey signs in with the connector or the person's own browser";
const MOBILE: &str = "there is no Latchkey app on phones; the browser signs in with the MDM's certificate";

const fn foreign(spellings: &'static [&'static str], reason: &'static str) -> ForeignSpec {
    ForeignSpec { spellings, reason }
}

/// Every recognized option that is not ours.
pub const FOREIGN: &[ForeignSpec] = &[
    foreign(&["strictEnforcement", "STRICTENFORCEMENT"], TUNNEL),
    foreign(&["reinstallDriver", "REINSTALLDRIVER"], DRIVER),
    foreign(&["uninstallPasswordCmdLine", "UNINSTALLPASSWORDCMDLINE"], PASSWORD),
    foreign(&["revertPasswordCmdLine", "REVERTPASSWORDCMDLINE"], PASSWORD),
    foreign(&["upgradePasswordCmdLine", "UPGRADEPASSWORDCMDLINE"], PASSWORD),
    foreign(&["revertzcc"], PASSWORD),
    foreign(
        &["enableImprivataIntegration", "ENABLEIMPRIVATAINTEGRATION"],
        "shared stations are a device group with several bindings here",
    ),
    foreign(&["bcpConfigFilePath", "BCPCONFIGFILEPATH"], CONTINUITY),
    foreign(&["bcpMAPublicKeyHash", "BCPMAPUBKEYHASH", "MAPubKey"], CONTINUITY),
    foreign(&["importSEFailCloseConfig", "IMPORTSEFAILCLOSECONFIG"], TUNNEL),
    foreign(&["failCloseConfigThumbprint", "SEFAILCLOSECONFIGTHUMBPRINT"], TUNNEL),
    foreign(&["installWebView2", "INSTALLWEBVIEW2"], BROWSER),
    foreign(&["enableSSO", "ENABLESSO"], BROWSER),
    foreign(&["mtAuthRequired", "MTAUTHREQUIRED"], TUNNEL),
    foreign(&["enableCustomProxyDetection", "ENABLECUSTOMPROXYDETECTION"], TUNNEL),
    foreign(&["installLWFDriver", "INSTALLLWFDRIVER"], DRIVER),
    foreign(&["useLWFDriver", "USELWFDRIVER"], DRIVER),
    foreign(&["LWFBootStart", "LWFBOOTSTART"], DRIVER),
    foreign(&["customDNS"], TUNNEL),
    foreign(&["allowRunningOnRootedDevice", "allowZccOnRootedDevice"], MOBILE),
    foreign(&["allowRunningOnEmulator", "allowZccOnEmulator"], MOBILE),
    foreign(&["excludeList"], TUNNEL),
    foreign(&["newBindFlow"], TUNNEL),
    foreign(&["SkipInterfaceInstallation"], TUNNEL),
    foreign(&["DropNonRoutingTraffic"], TUNNEL),
    foreign(&["PAVConnectionSynced"], TUNNEL),
    foreign(&["MatchDomainsNoSearch"], TUNNEL),
    foreign(&["clearDnsCacheOnT2Start"], TUNNEL),
];
