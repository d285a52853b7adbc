//! Municipalities: real codes, before and after the reform of 1 January 2020.

/// A municipality, as it is bounded from 2020.
#[derive(Clone, Copy, Debug)]
pub struct Municipality {
    /// Code in 2018 and 2019: that of its largest part then.
    pub code_2018: &'static str,
    /// Name in 2018 and 2019.
    pub name_2018: &'static str,
    /// Code from 2020.
    pub code_2020: &'static str,
    /// Name from 2020.
    pub name_2020: &'static str,
    /// People, in thousands.
    pub thousands: f64,
    /// How much more likely than in the country its people are to have higher education.
    pub higher_education: f64,
}

const fn kept(code: &'static str, name: &'static str, thousands: f64, higher_education: f64) -> Municipality {
    renumbered(code, name, code, name, thousands, higher_education)
}

const fn renumbered(
    code_2018: &'static str,
    name_2018: &'static str,
    code_2020: &'static str,
    name_2020: &'static str,
    thousands: f64,
    higher_education: f64,
) -> Municipality {
    Municipality { code_2018, name_2018, code_2020, name_2020, thousands, higher_education }
}

/// 45 municipalities, weighted by size. Their people stand for the whole country.
pub const MUNICIPALITIES: [Municipality; 45] = [
    kept("0301", "Oslo", 693.0, 0.13),
    renumbered("1201", "Bergen", "4601", "Bergen", 283.0, 0.06),
    kept("5001", "Trondheim", 205.0, 0.09),
    kept("1103", "Stavanger", 143.0, 0.05),
    renumbered("0219", "Bærum", "3024", "Bærum", 128.0, 0.17),
    renumbered("1001", "Kristiansand", "4204", "Kristiansand", 112.0, -0.01),
    renumbered("0602", "Drammen", "3005", "Drammen", 101.0, -0.05),
    renumbered("0220", "Asker", "3025", "Asker", 95.0, 0.1),
    renumbered("0231", "Skedsmo", "3030", "Lillestrøm", 86.0, -0.02),
    renumbered("0106", "Fredrikstad", "3004", "Fredrikstad", 83.0, -0.09),
    renumbered("1102", "Sandnes", "1108", "Sandnes", 80.0, -0.01),
    renumbered("1902", "Tromsø", "5401", "Tromsø", 77.0, 0.06),
    renumbered("1504", "Ålesund", "1507", "Ålesund", 66.0, -0.04),
    renumbered("0710", "Sandefjord", "3804", "Sandefjord", 64.0, -0.08),
    renumbered("0217", "Oppegård", "3020", "Nordre Follo", 60.0, 0.08),
    renumbered("0105", "Sarpsborg", "3003", "Sarpsborg", 57.0, -0.12),
    renumbered("0704", "Tønsberg", "3803", "Tønsberg", 57.0, -0.02),
    renumbered("0806", "Skien", "3807", "Skien", 55.0, -0.09),
    kept("1804", "Bodø", 52.0, 0.02),
    renumbered("0104", "Moss", "3002", "Moss", 49.0, -0.05),
    renumbered("0712", "Larvik", "3805", "Larvik", 47.0, -0.08),
    renumbered("0124", "Askim", "3014", "Indre Østfold", 45.0, -0.13),
    renumbered("0906", "Arendal", "4203", "Arendal", 45.0, -0.06),
    kept("1149", "Karmøy", 42.0, -0.12),
    renumbered("1246", "Fjell", "4626", "Øygarden", 39.0, -0.09),
    kept("1106", "Haugesund", 37.0, -0.07),
    renumbered("0805", "Porsgrunn", "3806", "Porsgrunn", 36.0, -0.07),
    renumbered("0412", "Ringsaker", "3411", "Ringsaker", 35.0, -0.12),
    renumbered("0403", "Hamar", "3403", "Hamar", 32.0, 0.02),
    renumbered("1502", "Molde", "1506", "Molde", 32.0, -0.01),
    renumbered("0101", "Halden", "3001", "Halden", 31.0, -0.1),
    renumbered("0502", "Gjøvik", "3407", "Gjøvik", 30.0, -0.07),
    renumbered("0501", "Lillehammer", "3405", "Lillehammer", 28.0, 0.05),
    renumbered("0604", "Kongsberg", "3006", "Kongsberg", 27.0, 0.05),
    kept("1833", "Rana", 26.0, -0.13),
    renumbered("1903", "Harstad", "5402", "Harstad", 25.0, -0.04),
    kept("1505", "Kristiansund", 24.0, -0.1),
    kept("5006", "Steinkjer", 24.0, -0.08),
    renumbered("1432", "Førde", "4647", "Sunnfjord", 22.0, 0.0),
    renumbered("1805", "Narvik", "1806", "Narvik", 22.0, -0.07),
    renumbered("2012", "Alta", "5403", "Alta", 21.0, -0.05),
    renumbered("0427", "Elverum", "3420", "Elverum", 21.0, -0.05),
    renumbered("1401", "Flora", "4602", "Kinn", 17.0, -0.07),
    renumbered("1235", "Voss", "4621", "Voss", 16.0, -0.03),
    renumbered("2003", "Vadsø", "5405", "Vadsø", 6.0, -0.06),
];
