//! `ipaddr`: an IPv4 or IPv6 address, or a range of them in CIDR form.

use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// An address with the length of its prefix; a single address has the full length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IpNet {
    /// IPv4: address and prefix length, at most 32.
    V4([u8; 4], u8),
    /// IPv6: address and prefix length, at most 128.
    V6([u8; 16], u8),
}

/// `ABCD:EF01:2345:6789:ABCD:EF01:2345:6789/128`
const LONGEST: usize = 43;

impl IpNet {
    /// Reads an address with or without a prefix length. IPv4 inside IPv6 must be written in hexadecimal.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let twice = |wanted: u8| text.bytes().filter(|byte| *byte == wanted).count() >= 2;
        if text.len() > LONGEST || (twice(b':') && twice(b'.')) {
            return None;
        }
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        match address.parse().ok()? {
            IpAddr::V4(address) => Some(Self::V4(address.octets(), prefix_length(prefix, 32, 2)?)),
            IpAddr::V6(address) => Some(Self::V6(address.octets(), prefix_length(prefix, 128, 3)?)),
        }
    }

    /// A single address.
    #[must_use]
    pub fn from_address(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address.octets(), 32),
            IpAddr::V6(address) => Self::V6(address.octets(), 128),
        }
    }

    /// Whether this is IPv4.
    #[must_use]
    pub fn is_ipv4(&self) -> bool {
        matches!(self, Self::V4(..))
    }

    /// Whether the whole range is loopback.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match *self {
            Self::V4(address, prefix) => Ipv4Addr::from(address).is_loopback() && prefix >= 8,
            Self::V6(address, prefix) => Ipv6Addr::from(address).is_loopback() && prefix >= 128,
        }
    }

    /// Whether the whole range is multicast.
    #[must_use]
    pub fn is_multicast(&self) -> bool {
        match *self {
            Self::V4(address, prefix) => Ipv4Addr::from(address).is_multicast() && prefix >= 4,
            Self::V6(address, prefix) => Ipv6Addr::from(address).is_multicast() && prefix >= 8,
        }
    }

    /// Whether every address of this range lies in `other`.
    #[must_use]
    pub fn is_in_range(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::V4(a, a_prefix), Self::V4(b, b_prefix)) => {
                let (a, b) = (u32::from_be_bytes(*a), u32::from_be_bytes(*b));
                let host = |prefix: u8| u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
                let (a_host, b_host) = (host(*a_prefix), host(*b_prefix));
                (b & !b_host) <= (a & !a_host) && (a | a_host) <= (b | b_host)
            }
            (Self::V6(a, a_prefix), Self::V6(b, b_prefix)) => {
                let (a, b) = (u128::from_be_bytes(*a), u128::from_be_bytes(*b));
                let host = |prefix: u8| u128::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
                let (a_host, b_host) = (host(*a_prefix), host(*b_prefix));
                (b & !b_host) <= (a & !a_host) && (a | a_host) <= (b | b_host)
            }
            (Self::V4(..), Self::V6(..)) | (Self::V6(..), Self::V4(..)) => false,
        }
    }
}

fn prefix_length(text: Option<&str>, most: u8, longest: usize) -> Option<u8> {
    let Some(text) = text else { return Some(most) };
    let plain = text.len() <= longest && text.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || (text.starts_with('0') && text != "0") {
        return None;
    }
    text.parse().ok().filter(|prefix| *prefix <= most)
}

impl fmt::Display for IpNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::V4(address, 32) => write!(f, "{}", Ipv4Addr::from(address)),
            Self::V4(address, prefix) => write!(f, "{}/{prefix}", Ipv4Addr::from(address)),
            Self::V6(address, 128) => write!(f, "{}", Ipv6Addr::from(address)),
            Self::V6(address, prefix) => write!(f, "{}/{prefix}", Ipv6Addr::from(address)),
        }
    }
}
