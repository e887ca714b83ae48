"""The form by which an organisation asks to join."""

from __future__ import annotations

import re
from typing import ClassVar
from urllib.parse import urlsplit

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from cyberalarm.central.accounts.models import User
from cyberalarm.central.members.models import Member
from cyberalarm.central.site.text import plain_line
from cyberalarm.core.places import regions

# The shape of UK postcodes, loosely: district, space, unit (GOV.UK bulk data transfer specification, app. C).
_POSTCODE = re.compile(r"([A-Z]{1,2}[0-9][A-Z0-9]?)\s*([0-9][A-Z]{2})")
_HOST = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")


def force_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """Every force, grouped by region."""
    return [(region.name, [(force.code, force.name) for force in region.forces]) for region in regions().values()]


class SignUpForm(forms.Form):
    organisation = forms.CharField(label="Name of your organisation", max_length=200)
    kind = forms.ChoiceField(label="What kind of organisation is it?", choices=Member.Kind.choices)
    force = forms.ChoiceField(label="Your police force")
    postcode = forms.CharField(label="Postcode", max_length=10)
    website = forms.CharField(label="Website (optional)", max_length=253, required=False)
    name = forms.CharField(label="Your name", max_length=120)
    email = forms.EmailField(label="Your email address", max_length=254)
    password = forms.CharField(label="Password", max_length=200, strip=False, widget=forms.PasswordInput)
    agreement = forms.BooleanField(label="I may join for this organisation")

    error_texts: ClassVar[dict[str, str]] = {
        "organisation": "Enter the name of your organisation",
        "kind": "Choose what kind of organisation it is",
        "force": "Choose your police force",
        "postcode": "Enter the postcode of your main site",
        "name": "Enter your name",
        "email": "Enter an email address, such as name@example.org",
        "password": "Enter a password",
        "agreement": "Confirm that you may join for this organisation",
    }

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        force = self.fields["force"]
        if isinstance(force, forms.ChoiceField):
            force.choices = force_choices()
        for name, text in self.error_texts.items():
            self.fields[name].error_messages.update(required=text, invalid=text, invalid_choice=text)

    def clean_organisation(self) -> str:
        return plain_line(self.cleaned_data["organisation"])

    def clean_name(self) -> str:
        return plain_line(self.cleaned_data["name"])

    def clean_postcode(self) -> str:
        match = _POSTCODE.fullmatch(self.cleaned_data["postcode"].strip().upper())
        if not match:
            raise ValidationError("Enter a full UK postcode, such as LS1 4AP")
        return f"{match[1]} {match[2]}"

    def clean_website(self) -> str:
        """Only the host name is kept: nothing else is needed."""
        value = self.cleaned_data["website"].strip().lower()
        if not value:
            return ""
        try:
            host = urlsplit(value if "//" in value else f"//{value}").hostname or ""
        except ValueError:
            host = ""
        if not _HOST.fullmatch(host):
            raise ValidationError("Enter a website, such as www.example.org, or leave this empty")
        return host

    def clean(self) -> dict[str, object]:
        cleaned = super().clean() or {}
        password = cleaned.get("password")
        if password:
            try:
                validate_password(
                    str(password),
                    User(email=str(cleaned.get("email", "")), name=str(cleaned.get("name", ""))),
                )
            except ValidationError as error:
                self.add_error("password", error)
        return cleaned
