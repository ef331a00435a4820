//! The 21 regions, by their county's code (länskod, SCB): responsible for care in their county (regionerna, and Gotlands
//! kommun with a region's tasks).

use contract::wire_enum;

wire_enum! {
    /// A region.
    pub enum Region {
        /// Region Stockholm.
        Stockholm = 1 => "01",
        /// Region Uppsala.
        Uppsala = 3 => "03",
        /// Region Sörmland.
        Sormland = 4 => "04",
        /// Region Östergötland.
        Ostergotland = 5 => "05",
        /// Region Jönköpings län.
        Jonkoping = 6 => "06",
        /// Region Kronoberg.
        Kronoberg = 7 => "07",
        /// Region Kalmar län.
        Kalmar = 8 => "08",
        /// Region Gotland.
        Gotland = 9 => "09",
        /// Region Blekinge.
        Blekinge = 10 => "10",
        /// Region Skåne.
        Skane = 12 => "12",
        /// Region Halland.
        Halland = 13 => "13",
        /// Västra Götalandsregionen.
        VastraGotaland = 14 => "14",
        /// Region Värmland.
        Varmland = 17 => "17",
        /// Region Örebro län.
        Orebro = 18 => "18",
        /// Region Västmanland.
        Vastmanland = 19 => "19",
        /// Region Dalarna.
        Dalarna = 20 => "20",
        /// Region Gävleborg.
        Gavleborg = 21 => "21",
        /// Region Västernorrland.
        Vasternorrland = 22 => "22",
        /// Region Jämtland Härjedalen.
        Jamtland = 23 => "23",
        /// Region Västerbotten.
        Vasterbotten = 24 => "24",
        /// Region Norrbotten.
        Norrbotten = 25 => "25",
    }
}

impl Region {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stockholm => "Region Stockholm",
            Self::Uppsala => "Region Uppsala",
            Self::Sormland => "Region Sörmland",
            Self::Ostergotland => "Region Östergötland",
            Self::Jonkoping => "Region Jönköpings län",
            Self::Kronoberg => "Region Kronoberg",
            Self::Kalmar => "Region Kalmar län",
            Self::Gotland => "Region Gotland",
            Self::Blekinge => "Region Blekinge",
            Self::Skane => "Region Skåne",
            Self::Halland => "Region Halland",
            Self::VastraGotaland => "Västra Götalandsregionen",
            Self::Varmland => "Region Värmland",
            Self::Orebro => "Region Örebro län",
            Self::Vastmanland => "Region Västmanland",
            Self::Dalarna => "Region Dalarna",
            Self::Gavleborg => "Region Gävleborg",
            Self::Vasternorrland => "Region Västernorrland",
            Self::Jamtland => "Region Jämtland Härjedalen",
            Self::Vasterbotten => "Region Västerbotten",
            Self::Norrbotten => "Region Norrbotten",
        }
    }
}
