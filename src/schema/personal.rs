//! Which columns look as if they held personal data, by their names, in the languages that schemas are usually named in.
//!
//! A hint for a warning, nothing else: must never be taken for a proof that a column holds none.

use super::table::{Column, Table, TypeClass};

/// Words that say it by themselves, for text.
const WORDS: [&str; 78] = [
    "email",
    "mail",
    "phone",
    "telephone",
    "telefon",
    "telefono",
    "mobile",
    "cellphone",
    "handy",
    "fax",
    "firstname",
    "lastname",
    "surname",
    "fullname",
    "middlename",
    "forename",
    "givenname",
    "familyname",
    "realname",
    "vorname",
    "nachname",
    "familienname",
    "prenom",
    "apellido",
    "apellidos",
    "nombre",
    "cognome",
    "voornaam",
    "achternaam",
    "sobrenome",
    "street",
    "strasse",
    "straße",
    "rue",
    "calle",
    "address",
    "adresse",
    "anschrift",
    "direccion",
    "indirizzo",
    "endereco",
    "postcode",
    "zipcode",
    "zip",
    "plz",
    "ssn",
    "nin",
    "nino",
    "iban",
    "bic",
    "passport",
    "passnummer",
    "dni",
    "nif",
    "cpf",
    "curp",
    "creditcard",
    "kreditkarte",
    "cardnumber",
    "cvv",
    "cvc",
    "taxid",
    "steuernummer",
    "steuerid",
    "socialsecurity",
    "birthdate",
    "birthday",
    "birthplace",
    "dob",
    "geburtsdatum",
    "geburtstag",
    "naissance",
    "nacimiento",
    "nascita",
    "nascimento",
    "ip",
    "ipaddress",
    "geburtsort",
];

/// What tables of people are named, in the singular or as the plural is where that is no `s`; their `name` is somebody's.
const PEOPLE: [&str; 34] = [
    "account",
    "applicant",
    "author",
    "benutzer",
    "buyer",
    "candidate",
    "client",
    "cliente",
    "contact",
    "contacto",
    "customer",
    "employee",
    "employe",
    "guest",
    "kontakt",
    "kontakte",
    "kunde",
    "kunden",
    "lead",
    "member",
    "mitarbeiter",
    "mitglied",
    "mitglieder",
    "owner",
    "patient",
    "people",
    "person",
    "persona",
    "personen",
    "student",
    "subscriber",
    "teacher",
    "user",
    "usuario",
];

/// Words that say it of a date as well.
const DATES: [&str; 12] = [
    "birth",
    "birthdate",
    "birthday",
    "dob",
    "born",
    "geburtsdatum",
    "geburtstag",
    "geboren",
    "naissance",
    "nacimiento",
    "nascita",
    "nascimento",
];

/// Words that say it of a number as well.
const NUMBERS: [&str; 9] = [
    "phone",
    "telephone",
    "telefon",
    "telefono",
    "mobile",
    "fax",
    "ssn",
    "dni",
    "cpf",
];

/// Words that say it together, one behind the other.
const PAIRS: [[&str; 2]; 19] = [
    ["first", "name"],
    ["last", "name"],
    ["full", "name"],
    ["family", "name"],
    ["given", "name"],
    ["middle", "name"],
    ["maiden", "name"],
    ["real", "name"],
    ["contact", "name"],
    ["customer", "name"],
    ["card", "number"],
    ["credit", "card"],
    ["account", "number"],
    ["bank", "account"],
    ["tax", "id"],
    ["national", "id"],
    ["social", "security"],
    ["date", "birth"],
    ["of", "birth"],
];

/// Words of a column that is about such data rather than such data.
const ABOUT: [&str; 22] = [
    "verified",
    "confirmed",
    "enabled",
    "active",
    "count",
    "type",
    "kind",
    "template",
    "subject",
    "sent",
    "status",
    "state",
    "at",
    "format",
    "host",
    "port",
    "queue",
    "valid",
    "required",
    "optin",
    "label",
    "provider",
];

/// Returns the columns that look as if they held personal data.
pub fn columns(table: &Table) -> impl Iterator<Item = &Column> {
    let of_people = words(&table.name).last().is_some_and(|last| {
        let one = last.strip_suffix('s').unwrap_or(last);
        PEOPLE.contains(&last.as_str()) || PEOPLE.contains(&one)
    });
    table
        .columns
        .iter()
        .filter(move |column| looks_personal(column) || of_people && is_name(column))
}

/// Returns whether a column holds what its row is called.
fn is_name(column: &Column) -> bool {
    let text = matches!(
        column.data_type.class(),
        Some(TypeClass::Text | TypeClass::LongText)
    );
    text && column.generated.is_none() && words(&column.name) == ["name"]
}

/// Returns whether the column looks as if it held personal data.
fn looks_personal(column: &Column) -> bool {
    let words = words(&column.name);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    if has(&ABOUT) || column.generated.is_some() {
        return false;
    }
    let is_pair = words.windows(2).any(|pair| {
        PAIRS
            .iter()
            .any(|known| known[0] == pair[0] && known[1] == pair[1])
    });
    if !is_pair && words.last().is_some_and(|last| last == "id") {
        return false;
    }
    match column.data_type.class() {
        Some(TypeClass::Text | TypeClass::LongText) => is_pair || has(&WORDS) || has(&DATES),
        Some(TypeClass::Binary | TypeClass::TextualBinary) => has(&["ip", "ipaddress"]),
        Some(TypeClass::Temporal | TypeClass::Timestamp) => {
            has(&DATES) || is_pair && has(&["birth"])
        }
        Some(TypeClass::Integer) if column.data_type.arguments.as_deref() != Some("1") => {
            has(&NUMBERS)
        }
        Some(TypeClass::Decimal) => has(&NUMBERS),
        _ => false,
    }
}

/// The words of a name: between underscores and the like, and where capitals begin.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for character in name.chars() {
        if !character.is_alphanumeric() || was_lower && character.is_uppercase() {
            words.push(String::new());
        }
        if character.is_alphabetic()
            && let Some(word) = words.last_mut()
        {
            word.extend(character.to_lowercase());
        }
        was_lower = character.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::parse;

    #[test]
    fn a_name_is_somebodys_where_the_table_is_of_people() {
        for (table, expected) in [
            ("customers", true),
            ("app_user", true),
            ("People", true),
            ("crmContacts", true),
            ("user_roles", false),
            ("products", false),
        ] {
            let table = parse::table(&format!(
                "CREATE TABLE `{table}` (\n  `id` int NOT NULL,\n  `name` varchar(9),\n  `name_id` int\n) ENGINE=InnoDB"
            ))
            .unwrap();
            let found: Vec<&str> = columns(&table).map(|it| it.name.as_str()).collect();
            let expected = if expected { vec!["name"] } else { Vec::new() };
            assert_eq!(found, expected, "{}", table.name);
        }
    }

    #[test]
    fn names_are_told_in_several_spellings_and_languages() {
        let table = parse::table(
            "CREATE TABLE `t` (\n  `id` int NOT NULL,\n  `email` varchar(9),\n  `e_mail` varchar(9),\n  `contactEmail` text,\n  \
             `first_name` varchar(9),\n  `LastName` varchar(9),\n  `nachname` varchar(9),\n  `phone2` varchar(9),\n  \
             `phone_number` bigint,\n  `date_of_birth` date,\n  `geburtsdatum` varchar(10),\n  `ssn` char(9),\n  \
             `shipping_address` text,\n  `ip_address` varbinary(16),\n  `tax_id` varchar(20),\n  `iban` varchar(34),\n  \
             `name` varchar(9),\n  `email_verified` tinyint(1),\n  `email_sent_at` datetime,\n  `address_id` int,\n  \
             `email_template` text,\n  `phone_count` int,\n  `zip_code` varchar(9),\n  `title` text,\n  `description` text,\n  \
             `birth_at` date,\n  `has_phone` tinyint(1),\n  `shipping` text,\n  `mailbox` text\n) ENGINE=InnoDB",
        )
        .unwrap();
        let found: Vec<&str> = table
            .columns
            .iter()
            .filter(|column| looks_personal(column))
            .map(|column| column.name.as_str())
            .collect();
        insta::assert_snapshot!(found.join(" "), @"email e_mail contactEmail first_name LastName nachname phone2 phone_number date_of_birth geburtsdatum ssn shipping_address ip_address tax_id iban zip_code");
    }
}
